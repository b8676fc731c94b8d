import { assertEquals } from "@std/assert";
import { heldTimers } from "../../tests/support/held_timers.ts";
import { DeadLetterNotes } from "./dead_letter.ts";

const origin = { topic: "orders", partition: 2, group: "g", reason: "not \u001b[31mJSON" };

Deno.test("DeadLetterNotes reports a few in a second, then how many more there were", () => {
  using held = heldTimers();
  const lines: string[] = [];
  const notes = new DeadLetterNotes((line) => lines.push(line));
  for (let offset = 0; offset < 8; offset++) notes.add(String(offset), origin);
  assertEquals(lines.length, 5);
  assertEquals(lines[4], "dead letter: partition 2 of orders, offset 4: not \\u001b[31mJSON");
  assertEquals(held.timers.map(({ delayMs }) => delayMs), [1_000]);
  held.timers[0]!.fire();
  assertEquals(lines.slice(5), ["… 3 more dead letters"]);

  notes.add("8", origin);
  assertEquals(lines.slice(6), [lines[4]!.replace("offset 4", "offset 8")]);
  notes.close();
  assertEquals(lines.length, 7);
});
