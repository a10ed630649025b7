# SPDX-License-Identifier: Apache-2.0
"""What the system tests are made with: a network of their own, machines, systems, clients."""
