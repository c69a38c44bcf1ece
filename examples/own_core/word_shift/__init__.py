# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A core outside Volley's tree: radix words with fewer bits."""
