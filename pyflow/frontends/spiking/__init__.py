# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Front ends of spiking frameworks: one run is recorded, its loop over time is rolled up, and a replay proves it."""
