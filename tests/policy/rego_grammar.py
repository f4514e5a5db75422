"""Generates rules in Rego from a grammar of its forms, good and bad ones, for small bundles named `door`.

Each generated policy is what one `allow` depends on. Most of what is generated is of the right type, so that
the check has to look deeper than that. Left out on purpose are the positive ways to ask whether something is
absent or empty (`every key, _ in x { key != … }`, `x == null`): what they allow when a value is missing they
are meant to allow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

NOTICE = "input.records.notices.n1"
PERSON = "input.records.person"
Choice = Callable[[], str] | str

TIMED = (".until > input.time", ".until <= input.time", ".until < 400", ".from < input.time")
OF_ELEMENT = {
    "timed": TIMED,
    "text": (' != "ban"', ' == "ok"', ' in {"ok", "fine"}'),
    "number": (" > 1", " == 0", " <= input.time", " != 2000"),
    "truth": ("", " == true", " == false", " != true"),
}
PLAIN = {
    "timed": ("input.records.notices", f"{PERSON}.passes"),
    "text": (f"{PERSON}.groups", '{"ok", "fine"}', '["ban"]'),
    "number": ("{0, 1, 2000}", "[input.time, 0]"),
    "truth": ("{true, false}", "[false]"),
}


@dataclass
class Grammar:
    """One policy under construction. Its rules have names that end in `suffix`."""

    random: Random
    suffix: str
    rules: list[str] = field(default_factory=list)
    _names: int = 0

    @classmethod
    def policy(cls, seed: int, suffix: str) -> str:
        """The rules of one generated policy, whose entrypoint is `decision{suffix}`."""
        made = cls(Random(seed), suffix)
        for _ in range(made.random.choice((1, 1, 2))):
            made.rules.append(f"allow{suffix} if {made.body(3)}")
        decision = f'decision{suffix} := {{"allow": allow{suffix}, "reasons": []}}'
        return "\n\n".join([decision, f"default allow{suffix} := false", *made.rules])

    def pick(self, *choices: Choice) -> str:
        chosen = self.random.choice(choices)
        return chosen if isinstance(chosen, str) else chosen()

    def rarely(self, bad: Choice, good: Choice) -> str:
        """What the check refuses by itself stays rare, or little else would be reached."""
        chosen = bad if self.random.random() < 0.06 else good
        return chosen if isinstance(chosen, str) else chosen()

    def kind(self) -> str:
        return self.random.choice(("timed", "timed", "text", "number", "truth"))

    def name(self, start: str) -> str:
        self._names += 1
        return f"{start}{self._names}{self.suffix}"

    def body(self, depth: int, *first: str) -> str:
        """One to three conditions in braces, after those given."""
        number = self.random.choice((0, 0, 1)) if first else self.random.choice((1, 1, 2))
        conditions = [*first, *(self.condition(depth - 1) for _ in range(number))]
        return "{\n\t" + "\n\t".join(conditions) + "\n}"

    def about(self, term: str, kind: str, depth: int) -> str:
        """A condition on a term of a kind."""
        plain = f"{term}{self.random.choice(OF_ELEMENT[kind])}"
        if depth <= 0:
            return plain
        return self.pick(
            plain,
            plain,
            lambda: f"{term} in {self.collection(kind, depth - 1)}",
            lambda: f"{term} {self.pick('==', '!=', '=')} {self.term(kind, depth - 1)}",
            lambda: f"{self.function(kind, depth)}({term}){self.random.choice(OF_ELEMENT['truth'])}",
        )

    def condition(self, depth: int) -> str:
        if depth <= 0:
            return self.rarely(
                self.pick(f'{PERSON}.extra != "ban"', f"{PERSON}.extra > 3"),
                self.pick(
                    f"{NOTICE}{self.random.choice(TIMED)}",
                    self.found("n1"),
                    f"{PERSON}.level > 1",
                    f'is_string({PERSON}.extra)\n\t{PERSON}.extra != "ban"',
                    f"is_number({PERSON}.extra)\n\t{PERSON}.extra > 3",
                    f'"ok" in {PERSON}.groups',
                ),
            )
        kind = self.kind()
        return self.pick(
            lambda: self.about(self.term(kind, depth), kind, depth),
            lambda: self.about(self.term("truth", depth), "truth", 0),
            lambda: self.about(self.term("number", depth), "number", 0),
            lambda: f"{self.collection(kind, depth)} == {self.pick('[]', 'set()', '{}')}",
            lambda: f"{self.term(kind, depth)} in [{self.term(kind, depth)}, {self.term(kind, depth)}]",
            lambda: self.assigned(kind, depth),
            lambda: self.iterated(kind, depth),
            lambda: self.every(kind, depth),
            lambda: self.rarely(f"not {self.term('truth', depth)}", lambda: self.condition(0)),
            lambda: self.odd(kind, depth),
        )

    def odd(self, kind: str, depth: int) -> str:
        """Forms that are rare, or that only an attacker writes."""
        term, literal = self.term(kind, depth), self.pick("0", "false", "[]", '"ok"')
        collection = self.collection(kind, depth)
        return self.pick(
            f"count({collection}, {self.pick('0', '1')})",
            f"some {literal} in [{term}]",
            f"some 0, _ in {collection}",
            f"[{literal}, _] = [{term}, 1]",
            f'{{"a": {literal}}} = {{"a": {term}}}',
            lambda: f"{self.clause('(x, x)')}({term}, {literal})",
            lambda: f"{self.clause(f'({literal})')}({term})",
            f"{collection}[{self.pick('0', '_', 'false', '[0, _]')}]{self.random.choice(OF_ELEMENT[kind])}",
            lambda: f"{self.condition(0).splitlines()[-1]} with input.time as {self.pick('1', '5000')}",
            f"{{{term}: 1}} == {{{literal}: 1}}",
            f'object.get({PERSON}, "extra", false, {self.pick("false", "0")})',
            f"{{{term}, 1}} - {{{literal}}} == {{1}}",
            f"[{term}, 1][{self.pick('0', '1')}] == {literal}",
        )

    def assigned(self, kind: str, depth: int) -> str:
        variable = self.name("v")
        sign = self.pick(":=", ":=", "=")
        return f"{variable} {sign} {self.term(kind, depth)}\n\t{self.about(variable, kind, depth - 1)}"

    def iterated(self, kind: str, depth: int) -> str:
        variable = self.name("e")
        how = self.pick(f"some {variable} in", f"some _, {variable} in", f"some {variable}, _ in")
        kind_of_key = "number" if how.endswith(", _ in") else kind
        return f"{how} {self.collection(kind, depth - 1)}\n\t{self.about(variable, kind_of_key, depth - 1)}"

    def every(self, kind: str, depth: int) -> str:
        variable = self.name("e")
        first = self.about(variable, kind, depth - 1)
        return f"every {variable} in {self.collection(kind, depth - 1)} {self.body(depth - 1, first)}"

    def term(self, kind: str, depth: int) -> str:
        if depth > 0 and self.random.random() < 0.2:
            return self.rule(kind, depth)
        return {"timed": self.timed, "text": self.text, "number": self.number, "truth": self.truth}[kind](
            depth
        )

    def timed(self, _: int) -> str:
        return self.pick(NOTICE, f"{PERSON}.passes[0]", "input.records.notices[_]")

    def number(self, depth: int) -> str:
        plain = self.pick(
            "0", "1", "2000", "input.time", f"{PERSON}.level", f"{PERSON}.since", f"{NOTICE}.until"
        )
        if depth <= 0:
            return self.rarely(f"{PERSON}.extra", plain)
        a, b = self.number(depth - 1), self.number(depth - 1)
        return self.rarely(
            self.pick(f"({a} / {b})", f"({a} % {b})", f"to_number({a})", f'object.get({PERSON}, "level", 9)'),
            self.pick(
                plain,
                lambda: f"count({self.collection(self.kind(), depth - 1)})",
                lambda: self.number_of(depth - 1),
                f"({a} {self.pick('+', '-', '*')} {b})",
                f"{self.pick('abs', 'ceil')}({a})",
                f"[{a}, {b}][{self.pick('0', '1')}]",
                f"{{{a}, {b}}}[{a}]",
                lambda: self.rarely(
                    f"{self.pick('sum', 'max')}({self.collection('number', depth - 1)})", plain
                ),
            ),
        )

    def number_of(self, depth: int) -> str:
        return f"count({self.collection('timed', depth)})"

    def text(self, depth: int) -> str:
        plain = self.pick('"ok"', '"ban"', "input.subject.id", f"{PERSON}.groups[0]", f"{PERSON}.extra")
        if depth <= 0:
            return plain
        inner = self.text(depth - 1)
        return self.rarely(
            self.pick(f"type_name({inner})", f'sprintf("%v", [{inner}])', f'$"{{{PERSON}.extra}}"'),
            self.pick(plain, f"lower({inner})", f"substring({inner}, 0, 2)", f'split({inner}, ",")[0]'),
        )

    def truth(self, depth: int) -> str:
        if depth <= 0:
            return self.pick("true", "false", f"is_number({PERSON}.extra)", f"({NOTICE}.until > input.time)")
        kind = self.kind()
        return self.pick(
            lambda: (
                f"({self.number(depth - 1)} {self.pick('<', '<=', '>', '>=', '==')} {self.number(depth - 1)})"
            ),
            lambda: f"({self.number_of(depth - 1)} {self.pick('<', '>', '==')} {self.pick('0', '1')})",
            lambda: f"({self.term(kind, depth - 1)} in {self.collection(kind, depth - 1)})",
            lambda: f"is_{self.pick('number', 'string')}({self.term(kind, depth - 1)})",
            lambda: f'startswith({self.text(depth - 1)}, "o")',
            lambda: f'object.get({PERSON}, "extra", {self.rarely("true", "false")})',
            lambda: self.flag(depth),
            lambda: f"{self.function(kind, depth)}({self.term(kind, depth - 1)})",
        )

    def collection(self, kind: str, depth: int) -> str:
        plain = self.random.choice(PLAIN[kind])
        if depth <= 0:
            return plain
        inner = depth - 1
        return self.pick(
            plain,
            lambda: self.comprehension(kind, depth),
            lambda: self.comprehension(kind, depth),
            lambda: self.partial(kind, depth),
            lambda: self.partial(kind, depth),
            lambda: f"({self.partial(kind, depth)} {self.pick('|', '&', '-')} {self.partial(kind, inner)})",
            lambda: f"({{{self.term(kind, inner)}}} {self.pick('|', '&', '-')} {{{self.term(kind, inner)}}})",
            lambda: f"array.concat([{self.term(kind, inner)}], {self.comprehension(kind, inner)})",
            lambda: f"array.reverse({self.comprehension(kind, inner)})",
            lambda: f"[{self.term(kind, inner)}, {self.term(kind, inner)}]",
            lambda: f"{{{self.term(kind, inner)}}}",
            lambda: f'{{"a": {self.term(kind, inner)}}}',
            lambda: self.rarely(f"object.union({{}}, {plain})", plain),
        )

    def comprehension(self, kind: str, depth: int) -> str:
        variable, of = self.name("c"), self.kind()
        first = self.about(variable, of, depth - 1)
        found = f"some {variable} in {self.collection(of, depth - 1)}; {first}"
        kept = variable if of == kind else self.term(kind, depth - 1)
        kept = f"{variable}.until" if of == "timed" and kind == "number" else kept
        found = found.replace("\n\t", "; ")
        return self.rarely(
            f'{{"k": {kept} | {found}}}',
            self.pick(f"[{kept} | {found}]", f"{{{kept} | {found}}}"),
        )

    def partial(self, kind: str, depth: int) -> str:
        name, variable, of = self.name("set"), self.name("m"), self.kind()
        kept = variable if of == kind else self.term(kind, depth - 1)
        kept = f"{variable}.until" if of == "timed" and kind == "number" else kept
        head = self.rarely(f"{name}[{variable}] := {kept}", f"{name} contains {kept}")
        first = (
            f"some {variable} in {self.collection(of, depth - 1)}\n\t{self.about(variable, of, depth - 1)}"
        )
        self.rules.append(f"{head} if {self.body(depth - 1, first)}")
        return name

    def rule(self, kind: str, depth: int) -> str:
        """A complete rule, perhaps with a default, an `else` or a second definition."""
        name, inner = self.name("r"), depth - 1
        first = f"{name} := {self.term(kind, inner)} if "
        more = self.pick(
            lambda: self.body(inner),
            lambda: f"{self.body(inner)} else := {self.rarely(lambda: self.term(kind, 0), 'false')}",
            lambda: f"{self.body(inner)}\n\n{name} := {self.term(kind, inner)} if {self.body(inner)}",
            lambda: f"{self.body(inner)}\n\ndefault {name} := {self.rarely('0', 'false')}",
            lambda: self.halves(name, kind, inner),
        )
        self.rules.append(first + more)
        return name

    def halves(self, name: str, kind: str, depth: int) -> str:
        """Two definitions that may exclude each other, or only look like it."""
        one, other = self.random.choice(
            (
                (self.found("n1"), self.found("n2")),
                (f"{NOTICE}.until > input.time", f"{NOTICE}.until <= input.time"),
                (f"{PERSON}.level == 2", f"{PERSON}.level == {self.pick('3', '2.0')}"),
            )
        )
        second = f"{name} := {self.term(kind, depth)} if {self.body(depth, other)}"
        return f"{self.body(depth, one)}\n\n{second}"

    def found(self, key: str) -> str:
        return f'input.records.notices[i]{self.random.choice(TIMED)}\n\ti == "{key}"'

    def flag(self, depth: int) -> str:
        name = self.name("f")
        start = self.pick("", f"default {name} := false\n\n")
        self.rules.append(f"{start}{name} if {self.body(depth - 1)}")
        return name

    def function(self, kind: str, depth: int) -> str:
        name, variable = self.name("g"), self.name("p")
        start = self.pick("", f"default {name}(_) := false\n\n")
        last = "" if start else self.pick("", " else := false")
        body = self.body(depth - 1, self.about(variable, kind, depth - 1))
        self.rules.append(f"{start}{name}({variable}) if {body}{last}")
        return name

    def clause(self, parameters: str) -> str:
        name = self.name("h")
        self.rules.append(f"{name}{parameters}")
        return name
