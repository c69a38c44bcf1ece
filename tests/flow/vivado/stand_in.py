#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Stands in for `vivado`: records how it is called and leaves what a run leaves. VIVADO_CASE says how the run ends."""

import json
import os
import shutil
import sys
from pathlib import Path

arguments = sys.argv[1:]
if arguments == ["-version"]:
    print(os.environ.get("VIVADO_VERSION", "vivado v2022.1 (64-bit)\nTool Version Limit: 2022.04"))
    sys.exit()
with open(os.environ["VIVADO_CALLS"], "a") as f:
    f.write(json.dumps(arguments) + "\n")
case, reports = os.environ.get("VIVADO_CASE", "good"), Path(os.environ["VIVADO_REPORTS"])
if arguments[-1] == "volley.tcl":
    Path("volley.xpr").touch()
    sys.exit()
print("Command: synth_design -top zynq_wrapper")
if case == "crash":
    print("ERROR: [Synth 8-439] module 'volley_fifo' not found")
    sys.exit(1)
if case == "full":
    print((reports.parent / "full.log").read_text())
    sys.exit(1)
for step in ("opt_design", "place_design", "route_design", "write_bitstream"):
    print(f"Command: {step}")
run, handoff = Path("volley.runs/impl_1"), Path("volley.gen/sources_1/bd/zynq/hw_handoff")
for folder in (run, handoff):
    folder.mkdir(parents=True)
for kind in ("utilization", "timing", "power"):
    text = (reports / f"{kind}.rpt").read_text()
    if case == "late" and kind == "timing":
        text = text.replace("      0.412 ", "     -0.870 ")
    if case == "hold" and kind == "timing":
        text = text.replace(" 0.021 ", "-0.050 ")
    (run / f"volley_{kind}.rpt").write_text(text)
(run / "zynq_wrapper.bit").write_text("bits")
if case != "no handoff":
    (handoff / "zynq.hwh").write_text("<EDKSYSTEM/>")
shutil.copy(run / "zynq_wrapper.bit", "volley.bit")
