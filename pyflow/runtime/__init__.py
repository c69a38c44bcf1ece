# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs frames on a board. Python 3.8 and numpy; pynq or pyserial for the way to the device.

    from pyflow.runtime import Device
    with Device.open("serial:/dev/ttyUSB1", "build/digits/host") as device:
        print(device.self_test())
        logits = device.infer(images)

Every answer is checked before it is believed: number of the frame, error flags, checksum of the weights, length.
A frame that fails is sent again; one that keeps failing is reported, and nothing is returned in its place.

`LogMel` makes a network's input of sound, in integers.
"""

from pyflow.runtime.device import Device, Inference, SelfTest
from pyflow.runtime.errors import DeviceError, Fault, FramesFailed
from pyflow.runtime.files import Files
from pyflow.runtime.logmel import LogMel

__all__ = ["Device", "DeviceError", "Fault", "Files", "FramesFailed", "Inference", "LogMel", "SelfTest"]
