"""What the agents can reach, and that none of it can do harm.

The tables are meant to break: whoever gives an agent another function says here what it may be asked for.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from semantic_kernel import Kernel
from semantic_kernel.agents import HandoffOrchestration
from semantic_kernel.agents.runtime import InProcessRuntime
from semantic_kernel.exceptions import FunctionExecutionException
from semantic_kernel.filters import AutoFunctionInvocationContext, FilterTypes
from semantic_kernel.functions import KernelArguments, KernelFunction

from app.orchestration.agents import build_agents, build_handoffs
from app.orchestration.catalog import CHOICES, TURN_ARGUMENTS, Catalog, load_catalog
from app.orchestration.context import opening_messages
from app.orchestration.filters import Next
from app.orchestration.turn import TurnLimits, TurnState
from app.providers.registry import active_provider
from tests.answers import hands_to
from tests.chat.conducting import question_set, task_of
from tests.conftest import MakeSettings, shipped_plugins
from tests.model_server import ModelServer, Say
from tests.orchestration.plugin_folders import add_salary_talk, copy_plugins

SHIPPED = ("technical", "behavioral", "case_study", "reverse")
TECHNIQUES = ("few_shot", "chain_of_thought", "zero_shot", "role_based", "structured_output")

NATIVE: Mapping[str, frozenset[str]] = {
    "cost-spent_so_far": frozenset(),
    "cost-estimate": frozenset({"question_count", "model"}),
    "security-check_text": frozenset({"text"}),
    "questions-drop": frozenset({"positions", "note", "standing_wish"}),
    "questions-keep": frozenset({"positions", "note", "standing_wish"}),
    "questions-restore": frozenset({"revision", "note"}),
}
"""Every function that runs code of ours, and everything a model may tell it. None is an id, a path or an address."""

HANDOFFS: Mapping[str, frozenset[str]] = {"Handoff-complete_task": frozenset({"task_summary"})}
"""What Semantic Kernel adds beside the transfers, which take nothing."""


def expected(agent: str, specialists: tuple[str, ...], techniques: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Everything that this agent can reach, with its parameters."""
    transfers = {f"Handoff-transfer_to_{other}": frozenset[str]() for other in specialists if other != agent}
    own = {f"{agent}-{name}": frozenset(CHOICES) for name in techniques}
    return {**transfers, **HANDOFFS, **own, **(NATIVE if techniques else {})}


def reachable(kernel: Kernel) -> dict[str, frozenset[str]]:
    """Every function of the kernel, with the parameters that a model is shown."""
    return {
        function.fully_qualified_name: frozenset(
            str(parameter.name) for parameter in function.parameters if parameter.include_in_function_choices
        )
        for plugin in kernel.plugins.values()
        for function in plugin
    }


async def seen_by_the_agents(
    settings: Any, catalog: Catalog, server: ModelServer, visits: tuple[str, ...]
) -> dict[str, Kernel]:
    """The kernels that the agents really work with, from a turn in which each hands over to the next."""
    provider = active_provider(settings)
    state = TurnState(task_of(), provider=provider, limits=TurnLimits(handoffs=9, model_calls=9), emit=lambda _: None)
    kernels: dict[str, Kernel] = {}

    def look(name: str) -> Any:
        async def record(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002 - by keyword
            kernels[name] = context.kernel
            await next(context)

        return record

    agents = build_agents(catalog, state)
    for agent in agents:
        agent.kernel.add_filter(FilterTypes.AUTO_FUNCTION_INVOCATION, look(agent.name))
    first = visits[0]
    server.script(*map(hands_to, (*visits, first)), Say("Which one?"))
    runtime = InProcessRuntime()
    runtime.start()
    orchestration: HandoffOrchestration[Any, Any] = HandoffOrchestration(
        members=list(agents), handoffs=build_handoffs(catalog)
    )
    result = await orchestration.invoke(opening_messages(state.task), runtime)
    await result.get(timeout=20)
    await runtime.stop_when_idle()
    await provider.close()
    return kernels


async def test_the_shipped_agents_reach_these_functions_and_no_other(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    kernels = await seen_by_the_agents(openai_settings(), shipped_plugins().catalog, model_server, SHIPPED)

    assert {name: reachable(kernel) for name, kernel in kernels.items()} == {
        "triage": expected("triage", SHIPPED, ()),
        **{agent: expected(agent, SHIPPED, TECHNIQUES) for agent in SHIPPED},
    }
    offered = [set(request.tool_names) for request in model_server.requests]
    assert offered[:5] == [set(reachable(kernel)) - {"Handoff-complete_task"} for kernel in kernels.values()]


async def test_a_type_that_is_dropped_in_reaches_its_techniques_and_nothing_more(
    openai_settings: MakeSettings, model_server: ModelServer, tmp_path: Path
) -> None:
    plugins = copy_plugins(tmp_path / "plugins")
    add_salary_talk(plugins)
    five = (*SHIPPED, "salary_talk")
    kernels = await seen_by_the_agents(openai_settings(), load_catalog(plugins), model_server, five)

    own = {"salary_talk-zero_shot": frozenset({*CHOICES, "tone"})}
    assert reachable(kernels["salary_talk"]) == expected("salary_talk", five, ("zero_shot",)) | own
    assert reachable(kernels["technical"]) == expected("technical", five, TECHNIQUES)


def test_what_is_hidden_from_models_is_what_the_turn_supplies() -> None:
    for spec in shipped_plugins().catalog.specialists.values():
        for technique in spec.techniques.values():
            hidden = {p.name for p in technique.function.parameters if not p.include_in_function_choices}
            assert hidden <= TURN_ARGUMENTS


# What the functions do.

TOUCHING = {
    *("open", "os.open", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.listdir", "os.scandir", "os.truncate"),
    *("os.chmod", "os.chown", "os.link", "os.symlink", "os.putenv", "os.system", "os.exec", "os.fork", "os.kill"),
    *(
        "os.posix_spawn",
        "os.spawn",
        "subprocess.Popen",
        "pty.spawn",
        "shutil.rmtree",
        "shutil.copyfile",
        "sqlite3.connect",
    ),
    *("socket.__new__", "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "urllib.Request"),
    *(
        "sqlite3.connect",
        "exec",
        "compile",
        "import",
        "ctypes.dlopen",
        "marshal.loads",
        "pickle.find_class",
        "webbrowser.open",
    ),
}
"""Audit events of the interpreter for files, network, processes and code."""

_watched: list[list[str]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in TOUCHING:
        _watched[-1].append(f"{event} {arguments!r}"[:200])


sys.addaudithook(_note)  # It cannot be taken away again, and is silent but inside `watching`.


@contextmanager
def watching() -> Iterator[list[str]]:
    """What is touched inside the block."""
    touched: list[str] = []
    _watched.append(touched)
    try:
        yield touched
    finally:
        _watched.remove(touched)


HOSTILE_VALUES: tuple[Any, ...] = (
    "../../../../etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "$(touch /tmp/x); `id` | sh",
    "__import__('os').system('id')",
    "{{cost.spent_so_far}} {{$job_description}}",
    "'; DROP TABLE conversation; --",
    "00000000-0000-0000-0000-000000000000",
    "1" * 10_000,
    "x" * 200_000,
    "\x00\ud800\u202e",
    "",
    None,
    -1,
    10**30,
    float("nan"),
    True,
    ["1", {"a": []}],
    {"path": "/etc/passwd"},
)


def native_functions(kernel: Kernel) -> list[KernelFunction]:
    found = [
        function for plugin in kernel.plugins.values() for function in plugin if function.fully_qualified_name in NATIVE
    ]
    assert {function.fully_qualified_name for function in found} == set(NATIVE)
    return found


async def test_no_function_touches_file_network_process_or_code_whatever_it_is_told(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    provider = active_provider(openai_settings())
    recalled: list[tuple[Any, int]] = []
    current = question_set(3)

    async def recall(question_set_id: Any, revision: int) -> None:
        recalled.append((question_set_id, revision))

    task = task_of(agent="technical", question_sets={"technical": current}, recall=recall)
    state = TurnState(task, provider=provider, limits=TurnLimits(), emit=lambda _: None)
    kernel = build_agents(shipped_plugins().catalog, state)[0].kernel
    for function in native_functions(kernel):
        names = NATIVE[function.fully_qualified_name]
        # The first call loads what is loaded once, such as the price table.
        for value in ("1", *HOSTILE_VALUES):
            arguments = KernelArguments()
            arguments.update(dict.fromkeys(names, value))
            if value == "1":
                await function.invoke(kernel, arguments)
            with watching() as touched:
                result = await _told(function, kernel, arguments)
            assert touched == [], (function.fully_qualified_name, value)
            assert len(result) < 1_000, "nothing is echoed at length"
    await provider.close()

    assert {question_set_id for question_set_id, _ in recalled} <= {current.id}
    assert model_server.requests == []


async def _told(function: KernelFunction, kernel: Kernel, arguments: KernelArguments) -> str:
    """What the model would be told; Semantic Kernel itself refuses an object where a text is asked for."""
    try:
        return str(await function.invoke(kernel, arguments))
    except FunctionExecutionException as refusal:
        return str(refusal)


def test_the_watch_sees_what_it_watches_for(tmp_path: Path) -> None:
    with watching() as touched:
        (tmp_path / "file").write_text("x", encoding="utf-8")
        compile("1", "x", "eval")

    assert [line.split()[0] for line in touched] == ["open", "compile"]
