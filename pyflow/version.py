# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The version of the project, which its cores and its packages of IP carry too."""

__version__ = "0.2.0"
