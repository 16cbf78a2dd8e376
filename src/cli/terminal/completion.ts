import type { Command } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export function completionScript(program: Command, shell: (typeof SHELLS)[number]): string {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary() || command.description(),
    choices: [
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
      ...command.options.flatMap(({ argChoices = [] }) => argChoices),
    ],
    options: command.options.flatMap(({ long, description, hidden }) =>
      long == null || hidden ? [] : [{ long, description }],
    ),
  }));
  return { bash, zsh, fish }[shell](program.name(), commands);
}

interface Completed {
  readonly name: string;
  readonly summary: string;
  /** That an argument or an option accepts. */
  readonly choices: readonly string[];
  readonly options: readonly { readonly long: string; readonly description: string }[];
}

function bash(program: string, commands: readonly Completed[]): string {
  const cases = commands.map((command) => `      ${command.name}) words='${words(command)}' ;;`);
  return `# eval "$(${program} completion bash)"
_${id(program)}() {
  local words='${commands.map(({ name }) => name).join(' ')} --help'
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${id(program)} ${program}
`;
}

function zsh(program: string, commands: readonly Completed[]): string {
  const names = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`);
  const cases = commands.map((command) => `    ${command.name}) compadd -- ${words(command)} ;;`);
  return `#compdef ${program}
# eval "$(${program} completion zsh)"
_${id(program)}() {
  local -a commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${cases.join('\n')}
  esac
}
compdef _${id(program)} ${program}
`;
}

function fish(program: string, commands: readonly Completed[]): string {
  const lines = commands.flatMap(({ name, summary, choices, options }) => [
    `complete -c ${program} -f -n __fish_use_subcommand -a ${name} -d '${quoted(summary)}'`,
    ...(choices.length === 0
      ? []
      : [`complete -c ${program} -f -n '__fish_seen_subcommand_from ${name}' -a '${choices.join(' ')}'`]),
    ...options.map(
      ({ long, description }) =>
        `complete -c ${program} -n '__fish_seen_subcommand_from ${name}' -l ${long.slice(2)} -d '${quoted(description)}'`,
    ),
  ]);
  return `# ${program} completion fish | source\n${lines.join('\n')}\n`;
}

function words({ choices, options }: Completed): string {
  return [...choices, ...options.map(({ long }) => long), '--help'].join(' ');
}

function id(program: string): string {
  return program.replaceAll('-', '_');
}

/** For text between single quotes. */
function quoted(text: string): string {
  return text.replaceAll("'", '’').replaceAll(':', ' -');
}
