"""What a pickle says, without doing it: nothing is imported, called or built from it.

A pickle is a program; whoever wrote it decides what runs when it is loaded. Here its steps are
followed with data only: a class or function it names becomes a Name, and whatever it would make of
one a Thing, which keeps what was to be called, with what, and the state that was to be set.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, NamedTuple

_MAX_VALUES = 20_000
_MAX_DEPTH = 20
# A key is hashed with all that is in it, by C code that recurses without a check.
_MAX_KEY_VALUES = 100
_SIMPLE = frozenset({str, int, bool, float, bytes, type(None)})


# Every code with its step and what reads its argument; a code that is none has no step.
_CODES: Sequence[tuple[str, Callable[[BytesIO], Any] | None]] = [
    (found.name, found.arg.reader if found.arg else None) if found else ("", None)
    for found in map({one.code: one for one in pickletools.opcodes}.get, map(chr, range(256)))
]
_SIZED = {ord("X"): 4, 0x8C: 1}
_NUMBERED = {ord("h"): 1, ord("j"): 4, ord("q"): 1, ord("r"): 4, ord("K"): 1, ord("M"): 2}


class PickleError(ValueError):
    """The bytes are no pickle, or one of a kind that data is never kept in. No values in it."""


class Name(NamedTuple):
    """What stood for a class or function."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Thing:
    """What stood for an object: made by what, of what, and then set to which state."""

    made_by: Any
    arguments: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)


class _Mark:
    pass


_MARK = _Mark()


def followed(raw: bytes) -> Any:
    """The data of a pickle. Raises PickleError."""
    machine = _Machine()
    try:
        for step, argument in _steps(raw):
            if step == "STOP":
                return machine.stack[-1]
            machine.do(step, argument)
    except PickleError:
        raise
    except (
        ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
    ) as error:  # fmt: skip
        raise PickleError(f"steps that lead nowhere ({type(error).__name__})") from None
    raise PickleError("an end before the end of the pickle")


def _steps(raw: bytes) -> Iterator[tuple[str, Any]]:
    """Each step with its argument: the frequent ones at once, others as pickletools reads them."""
    place, end, stream = 0, len(raw), BytesIO(raw)
    while place < end:
        code = raw[place]
        place += 1
        name, reader = _CODES[code]
        if code in _SIZED:  # a text behind its length
            wide = _SIZED[code]
            size = int.from_bytes(raw[place : place + wide], "little")
            place += wide + size
            if place > end:
                raise PickleError("a text that is not there whole")
            yield name, raw[place - size : place].decode("utf-8", "surrogatepass")
        elif code in _NUMBERED:
            wide = _NUMBERED[code]
            yield name, int.from_bytes(raw[place : place + wide], "little")
            place += wide
        elif reader is None:
            yield name, None
        else:
            stream.seek(place)
            yield name, reader(stream)
            place = stream.tell()


def plain(value: Any) -> Any:
    """A copy of data in which only texts, numbers, lists and dictionaries are left.

    Raises PickleError for more of it than any metadata has: small pickles can stand for endless data.
    """
    left = [_MAX_VALUES]
    return _plain(value, 0, left)


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth > _MAX_DEPTH or left[0] < 0:
        raise PickleError("metadata without end")
    if value is None or isinstance(value, (str, int, float, bool, bytes)):
        return value
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else str(_plain(key, depth + 1, left)): _plain(
                one, depth + 1, left
            )
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, depth + 1, left) for one in value]
    if isinstance(value, Thing):
        return _plain([value.arguments, value.state, value.items], depth + 1, left)
    return str(value.name) if isinstance(value, Name) else None


class _Machine:
    """The stack and the memo of a pickle, and what each step does to them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, step: str, argument: Any) -> None:
        act = _STEPS.get(step)
        if act is not None:
            act(self, argument)
        elif step in _VALUES:
            self.stack.append(argument)
        elif step not in _NOTHING:
            raise PickleError(f"the step {step}, which data has no need of")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise PickleError("a mark where a value should be")
        return value

    def since_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise PickleError("no mark")
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, set):
            target.update(map(_key, values))
        else:
            target.items.extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        pairs = list(zip(values[0::2], values[1::2], strict=True))
        if isinstance(target, dict):
            target.update((_key(key), value) for key, value in pairs)
        else:
            target.items.extend(pairs)

    def build(self, state: Any) -> None:
        target = self.stack[-1]
        if not isinstance(target, Thing):
            raise PickleError("a state for what is no object")
        target.state = state


def _key(value: Any) -> Any:
    """A key or member of a set, as it is. Raises PickleError for one that is built without end."""
    if type(value) not in _SIMPLE:
        waiting, many = [value], 0
        while waiting:
            one = waiting.pop()
            many += 1
            if many > _MAX_KEY_VALUES:
                raise PickleError("a key without end")
            if isinstance(one, tuple):
                waiting.extend(one)
    return value


def _made(machine: _Machine, arguments: Any, made_by: Any) -> None:
    is_call = isinstance(made_by, (Name, Thing))
    if not is_call:
        raise PickleError("a call of what is no class or function")
    machine.stack.append(Thing(made_by, arguments))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, made_by = machine.pop(), machine.pop()
    _made(machine, arguments, made_by)


def _newobj_ex(machine: _Machine, _: Any) -> None:
    keywords, arguments, made_by = machine.pop(), machine.pop(), machine.pop()
    _made(machine, (arguments, keywords), made_by)


def _obj(machine: _Machine, _: Any) -> None:
    made_by, *arguments = machine.since_mark()
    _made(machine, tuple(arguments), made_by)


def _inst(machine: _Machine, argument: str) -> None:
    _made(machine, tuple(machine.since_mark()), _name(argument))


def _name(argument: str) -> Name:
    module, _, name = argument.partition(" ")
    return Name(module, name)


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if not (isinstance(module, str) and isinstance(name, str)):
        raise PickleError("a class or function whose name is no text")
    machine.stack.append(Name(module, name))


def _dict(machine: _Machine, _: Any) -> None:
    values = machine.since_mark()
    machine.stack.append(dict(zip(map(_key, values[0::2]), values[1::2], strict=True)))


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    def act(machine: _Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(values)))

    return act


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _remember(machine: _Machine, place: Any) -> None:
    machine.memo[len(machine.memo) if place is None else int(place)] = machine.stack[-1]


def _drop(machine: _Machine, _: Any) -> None:
    machine.stack.pop()


def _drop_to_mark(machine: _Machine, _: Any) -> None:
    machine.since_mark()


_NOTHING = frozenset({"PROTO", "FRAME"})
_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
})  # fmt: skip
_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine.stack.append(_MARK),
    "POP": _drop,
    "POP_MARK": _drop_to_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_SET": lambda machine, _: machine.stack.append(set()),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "FROZENSET": lambda machine, _: machine.stack.append(
        frozenset(map(_key, machine.since_mark()))
    ),
    "DICT": _dict,
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "PUT": _remember,
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "MEMOIZE": _remember,
    "GET": lambda machine, place: machine.stack.append(machine.memo[int(place)]),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[int(place)]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[int(place)]),
    "GLOBAL": lambda machine, argument: machine.stack.append(_name(argument)),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _newobj_ex,
    "OBJ": _obj,
    "INST": _inst,
    "BUILD": lambda machine, _: machine.build(machine.pop()),
}
