"""A secret of the configuration reaches neither the terminal nor the history, wherever an app fails."""

import textwrap
from pathlib import Path

import pytest

from support.history_file import HistoryFile
from support.processes import Start

pytestmark = [pytest.mark.timeout(180), pytest.mark.heavy]

PASSWORD = "hunter22-swordfish"
HEAD = """
import asyncio, atexit, gc, os, sys, threading, warnings
from hassette_core import App, AppConfig

class Config(AppConfig):
    password: str

class Rude:
    def __init__(self, text): self.text = text
    def __del__(self): raise ValueError(self.text)

def leave(text):
    sys.exit("bye " + text)
"""
PLACES = {
    "a handler that calls sys.exit": """
        class Bad(App[Config]):
            async def on_initialize(self):
                self.scheduler.run_in(lambda: leave(self.config.password), 0, name="leave")
        """,
    "on_initialize that calls sys.exit": """
        class Bad(App[Config]):
            async def on_initialize(self): leave(self.config.password)
        """,
    "on_shutdown that calls sys.exit": """
        class Bad(App[Config]):
            async def on_shutdown(self): leave(self.config.password)
        """,
    "a module that calls sys.exit when it is imported": f"""
        leave("{PASSWORD}")
        """,
    "a module that raises when it is imported": f"""
        raise ValueError("bye {PASSWORD}")
        """,
    "an error hook": """
        class Bad(App[Config]):
            async def on_initialize(self):
                self.scheduler.run_in(lambda: 1 / 0, 0, name="fail")
            def on_error(self, context): leave(self.config.password)
        """,
    "a task": """
        class Bad(App[Config]):
            async def on_initialize(self):
                async def later():
                    await asyncio.sleep(0)
                    raise ValueError("bye " + self.config.password)
                self.task = asyncio.create_task(later())
                await asyncio.sleep(0.1)
                del self.task
                gc.collect()
        """,
    "a callback of the event loop": """
        class Bad(App[Config]):
            async def on_initialize(self):
                asyncio.get_running_loop().call_soon(leave, self.config.password)
                asyncio.get_running_loop().call_soon(int, "bye " + self.config.password)
        """,
    "a thread": """
        class Bad(App[Config]):
            async def on_initialize(self):
                def run(): raise ValueError("bye " + self.config.password)
                thread = threading.Thread(target=run)
                thread.start()
                thread.join()
        """,
    "a destructor": """
        class Bad(App[Config]):
            async def on_initialize(self): Rude("bye " + self.config.password)
        """,
    "a warning": """
        class Bad(App[Config]):
            async def on_initialize(self): warnings.warn("bye " + self.config.password)
        """,
    "a function that is called at the exit": """
        class Bad(App[Config]):
            async def on_initialize(self): atexit.register(int, "bye " + self.config.password)
        """,
    "a thread at the exit": """
        class Bad(App[Config]):
            async def on_initialize(self):
                main = threading.main_thread()
                def run():
                    main.join()
                    raise ValueError("bye " + self.config.password)
                threading.Thread(target=run).start()
        """,
    "a source line": f"""
        class Bad(App[Config]):
            async def on_initialize(self):
                self.scheduler.run_in(lambda: int("bye {PASSWORD}"), 0, name="fail")
        """,
    "a log line with facts": """
        class Bad(App[Config]):
            async def on_initialize(self):
                self.logger.warning("bye word", extra={"word": self.config.password, "words": [self.config.password]})
        """,
    "a log line with a wrong format": """
        class Bad(App[Config]):
            async def on_initialize(self): self.logger.warning("bye %d", self.config.password)
        """,
    "an unawaited coroutine": """
        class Bad(App[Config]):
            async def on_initialize(self):
                async def later(): pass
                later.__qualname__ = "bye " + self.config.password
                coroutine = later()
                coroutine.__qualname__ = "bye " + self.config.password
                del coroutine
                gc.collect()
        """,
    "settings that are wrong": """
        from pydantic import field_validator

        class Config(AppConfig):
            password: str

            @field_validator("password")
            @classmethod
            def check(cls, value):
                raise ValueError("bye " + value)

        class Bad(App[Config]):
            pass
        """,
}


def write_apps(folder: Path) -> Path:
    """Write one app for each place, and return the configuration file."""
    (folder / "apps").mkdir()
    tables = [f'[home_assistant]\nurl = "http://127.0.0.1:1"\ntoken = "{PASSWORD}-token"\n']
    for number, code in enumerate(PLACES.values()):
        source = (HEAD + textwrap.dedent(code)).replace("bye ", f"bye {number}: ")
        (folder / "apps" / f"bad_{number}.py").write_text(source, encoding="utf-8")
        tables.append(f'[apps.bad_{number}]\nmodule = "bad_{number}"\nclass = "Bad"\n')
        tables.append(f'config = {{ password = "{PASSWORD}" }}\n')
    file = folder / "hassette.toml"
    file.write_text("".join(tables), encoding="utf-8")
    return file


def test_secret_in_an_error_of_an_app_is_masked(start: Start, history: HistoryFile, tmp_path: Path) -> None:
    data_dir = history.file.parent
    options = ["--data-dir", data_dir, "--port", 0, "--speed", 0, "--seconds", 2]
    process = start("demo", "--config", write_apps(tmp_path), *options)
    process.end()
    assert PASSWORD not in process.output, process.output
    silent = [place for number, place in enumerate(PLACES) if f"bye {number}: " not in process.output]
    assert not silent, process.output
    stored = b"".join(part.read_bytes() for part in data_dir.glob("*.db*"))
    assert b"bye 0: " in stored
    assert PASSWORD.encode() not in stored


def test_secret_in_an_error_of_a_checked_app_is_masked(start: Start, tmp_path: Path) -> None:
    process = start("check", "--config", write_apps(tmp_path))
    process.end()
    assert "bye 1: " in process.output, process.output
    assert PASSWORD not in process.output, process.output
