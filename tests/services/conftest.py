from tests.aio.loops import loop_name, pytest_generate_tests

__all__ = ["loop_name", "pytest_generate_tests"]
