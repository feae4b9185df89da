"""Builds the compiled kernels; without a working compiler the NumPy twins serve instead."""

from __future__ import annotations

import os
import sys

from setuptools import Extension, setup

HERE = "app/core/kernels"
# Not -ffast-math: it removes tests for NaN, and when linking it changes the whole process.
FLAGS = (
    ["/O2"]
    if sys.platform == "win32"
    else ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"]
)


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    found = [
        Extension(
            "app.core.kernels._autoencoder",
            [f"{HERE}/_autoencoder.pyx"],
            depends=[
                f"{HERE}/_autoencoder.h",
                f"{HERE}/_autoencoder_variant.h",
                f"{HERE}/_autoencoder_kernels.h",
            ],
            extra_compile_args=FLAGS,
        )
    ]
    checked = bool(os.environ.get("FILTERSCOPE_CHECK_BOUNDS"))
    built = cythonize(found, compiler_directives={"boundscheck": checked}, quiet=True)
    for extension in built:
        # A failed compilation is a notice, not the end of the installation. It is said here
        # because cythonize makes new extensions and forgets this word.
        extension.optional = True
    return built


setup(ext_modules=extensions())
