"""Memory for training on the CPU: huge pages, and kept once it is there.

A step goes through gigabytes of feature maps, and TensorFlow takes and gives back the memory for every one of them. The
C library would ask the kernel for each anew, in pages of 4 KB: a twentieth of a step goes into that.
https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html
"""

from __future__ import annotations

import os
import sys

VARIABLE = "GLIBC_TUNABLES"
TUNABLES = {"hugetlb": 1, "mmap_max": 0, "trim_threshold": 1 << 40}
SETTING = ":".join(f"glibc.malloc.{name}={value}" for name, value in TUNABLES.items())


def use_huge_pages() -> None:
    """Begin this very command again, in this process, with SETTING: the C library reads it only when a program begins.

    Who has set the variable is left alone; another C library does not know it.
    """
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = SETTING
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
