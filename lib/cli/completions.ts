/**
 * Shell completion: a script that completes the flags, commands and choices of a program after
 * `deno task`, and leaves all other words to Deno's own completion.
 *
 * @module
 */
import { flagName, type Flags } from "./flags.ts";

/** The shells that have a script. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** What is completed. */
export interface Completed {
  /** The task, such as `produce`. */
  task: string;
  /** The commands that may follow it. */
  commands: readonly string[];
  /** Its flags. */
  flags: Flags;
}

/** The script that completes the tasks in a shell. */
export function completionScript(
  shell: typeof SHELLS[number],
  tasks: readonly Completed[],
): string {
  if (shell === "fish") return tasks.flatMap(fishLines).join("\n");
  return [...tasks.map(wordsFunction), shell === "bash" ? BASH : ZSH].join("\n");
}

/** A function of bash and zsh that prints what may follow a word; nothing where a value is free. */
function wordsFunction({ task, commands, flags }: Completed): string {
  const entries = Object.entries(flags);
  const taking = entries.filter(([, { value }]) => value !== undefined);
  const fixed = taking.filter(([, { parse }]) => parse.choices !== undefined);
  const free = taking.filter((entry) => !fixed.includes(entry)).map(([name]) => flagName(name));
  const words = [...commands, ...entries.map(([name]) => flagName(name)), "--help", "--version"];
  return [
    `_order_stream_${task}() {`,
    `  case "$1" in`,
    ...fixed.map(([name, { parse }]) =>
      `    ${flagName(name)}) echo "${parse.choices!.join(" ")}" ;;`
    ),
    ...(free.length > 0 ? [`    ${free.join(" | ")}) ;;`] : []),
    `    *) echo "${words.join(" ")}" ;;`,
    "  esac",
    "}",
  ].join("\n");
}

// "=" is a word of its own in COMP_WORDS. The completion that was there before stays for other tasks.
const BASH = `_order_stream() {
  local task="" word cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  if [[ "\${COMP_WORDS[1]}" == task ]]; then
    for word in "\${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
      if [[ "$word" != -* ]]; then task="$word"; break; fi
    done
  fi
  if [[ -n "$task" ]] && declare -F "_order_stream_$task" > /dev/null; then
    if [[ "$cur" == "=" ]]; then cur=""; elif [[ "$prev" == "=" ]]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
    COMPREPLY=($(compgen -W "$("_order_stream_$task" "$prev")" -- "$cur"))
  elif [[ -n "$_order_stream_other" ]]; then "$_order_stream_other" "$@"; fi
}
if [[ "$(complete -p deno 2> /dev/null)" =~ -F\\ ([^ ]+) && "\${BASH_REMATCH[1]}" != _order_stream ]]; then
  _order_stream_other="\${BASH_REMATCH[1]}"
fi
complete -o bashdefault -o default -F _order_stream deno`;

const ZSH = `_order_stream() {
  local task="" word flag="\${words[CURRENT-1]}"
  if [[ "\${words[2]}" == task ]]; then
    for word in "\${(@)words[3,CURRENT-1]}"; do
      if [[ "$word" != -* ]]; then task="$word"; break; fi
    done
  fi
  if [[ -n "$task" ]] && (( $+functions[_order_stream_$task] )); then
    if [[ "$PREFIX" == --*=* ]]; then flag="\${PREFIX%%=*}"; compset -P "*="; fi
    local -a found=(\${=$("_order_stream_$task" "$flag")})
    if (( $#found )); then compadd -a found; else _files; fi
  elif [[ -n "$_order_stream_other" ]]; then "$_order_stream_other" "$@"; fi
}
if [[ "\${_comps[deno]}" != _order_stream ]]; then _order_stream_other="\${_comps[deno]}"; fi
compdef _order_stream deno`;

function fishLines({ task, commands, flags }: Completed): string[] {
  const begin =
    `complete -c deno -n '__fish_seen_subcommand_from task; and __fish_seen_subcommand_from ${task}'`;
  return [
    ...(commands.length > 0 ? [`${begin} -f -a '${commands.join(" ")}'`] : []),
    ...Object.entries(flags).map(([name, { value, help, parse }]) => {
      const choices = parse.choices === undefined ? "" : ` -f -a '${parse.choices.join(" ")}'`;
      const quoted = help.replace(/[\\']/g, "\\$&");
      return `${begin} -l ${flagName(name).slice(2)}${
        value === undefined ? "" : " -r"
      }${choices} ` +
        `-d '${quoted}'`;
    }),
    `${begin} -l help -s h -d 'show the help'`,
    `${begin} -l version -d 'show the versions'`,
  ];
}
