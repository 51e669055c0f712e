import assert from "node:assert/strict";
import { test } from "node:test";
import { strftime } from "../../../src/model/template/strftime.ts";

// Expected values are Python 3.11's on Linux, in the C locale.
const formats = (date: Date, rows: Record<string, string>) => {
  for (const [format, want] of Object.entries(rows)) assert.equal(strftime(date, format), want, format);
};

test("all conversions", () =>
  formats(new Date(2024, 6, 4, 9, 5, 3), {
    "%a %A %b %B %h": "Thu Thursday Jul July Jul",
    "%d|%e|%j|%m|%U|%W|%V|%G|%g|%u|%w": "04| 4|186|07|26|27|27|2024|24|4|4",
    "%H|%I|%k|%l|%M|%S|%p|%P|%f": "09|09| 9| 9|05|03|AM|am|000000",
    "%C|%y|%Y": "20|24|2024",
    "%c": "Thu Jul  4 09:05:03 2024",
    "%x %X %D %F %T %R %r": "07/04/24 09:05:03 07/04/24 2024-07-04 09:05:03 09:05 09:05:03 AM",
    "[%z][%Z][%n][%t][%%]": "[][][\n][\t][%]",
  }));

test("flags, widths and modifiers", () =>
  formats(new Date(2024, 6, 4, 21, 5, 3), {
    "%-d %_d %0e %-I %^a %#b %#p %^B": "4  4 04 9 THU JUL pm JULY",
    "%10Y %3d %05d %-5d %10a": "0000002024 004 00004     4        Thu",
    "%Ey %Od %-j %_j": "24 04 186 186",
  }));

test("what C does not know stays", () => formats(new Date(2024, 6, 4), { "%Q %L %Ed %-f a%": "%Q %L %Ed %-f a%" }));

test("weeks at the ends of years", () => {
  formats(new Date(2021, 0, 3), { "%G-%V %U %W %j": "2020-53 01 00 003" });
  formats(new Date(2024, 11, 30), { "%G-%V %U %W %j": "2025-01 52 53 365" });
  formats(new Date(2026, 0, 1), { "%G-%V %U %W %j": "2026-01 00 00 001" });
});

test("midnight and noon", () => {
  formats(new Date(2024, 0, 1, 0), { "%I %l %p": "12 12 AM" });
  formats(new Date(2024, 0, 1, 12), { "%I %l %p": "12 12 PM" });
});
