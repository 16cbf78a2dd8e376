import { join } from 'node:path';
import ts from 'typescript';

/**
 * Gives what each of these modules exports, one line for each name and each public member: `KeyRing.usage(0)`,
 * `KeyUsage.number: number`. One program for all of them, as it takes seconds to make.
 */
export function exportedNames(modules: readonly string[]): (module: string) => readonly string[] {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile('tsconfig.json', (path) => ts.sys.readFile(path)).config,
    ts.sys,
    process.cwd(),
  );
  const pathOf = (module: string) => join(process.cwd(), module);
  const program = ts.createProgram(modules.map(pathOf), options);
  const checker = program.getTypeChecker();
  return (module) => {
    const source = program.getSourceFile(pathOf(module));
    const symbol = source && checker.getSymbolAtLocation(source);
    if (symbol === undefined) throw new Error(`${module} exports nothing`);
    return checker
      .getExportsOfModule(symbol)
      .flatMap((name) => linesOf(checker, name))
      .sort();
  };
}

function linesOf(checker: ts.TypeChecker, exported: ts.Symbol): readonly string[] {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const { name } = exported;
  const lines: string[] = [];
  if (symbol.flags & ts.SymbolFlags.Value) {
    const type = checker.getTypeOfSymbol(symbol);
    lines.push(`value ${name}${callOf(type)}`);
    if (symbol.flags & ts.SymbolFlags.Class) lines.push(...membersOf(checker, `${name} (static)`, type));
  }
  if (symbol.flags & ts.SymbolFlags.Type) {
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    lines.push(`type ${name}`);
    for (const part of type.isUnion() ? type.types : [type]) {
      if (part.isStringLiteral()) lines.push(`${name} = ${part.value}`);
      else if ((part.flags & ts.TypeFlags.Object) !== 0) lines.push(...membersOf(checker, name, part));
    }
  }
  return [...new Set(lines)];
}

function membersOf(checker: ts.TypeChecker, owner: string, type: ts.Type): readonly string[] {
  return checker
    .getPropertiesOfType(type)
    .filter(({ name, declarations = [] }) => !/^(#|__)/.test(name) && declarations.some(isOurs))
    .map((member) => {
      const whole = checker.getTypeOfSymbol(member);
      const bare = checker.getNonNullableType(whole);
      const isPlain =
        (bare.flags & (ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike | ts.TypeFlags.BooleanLike)) !== 0;
      const isOptional = (member.flags & ts.SymbolFlags.Optional) !== 0;
      const plain = isPlain ? `: ${checker.typeToString(checker.getBaseTypeOfLiteralType(bare))}` : '';
      return `${owner}.${member.name}${isOptional ? '?' : ''}${callOf(bare)}${plain}`;
    });
}

const isOurs = (declaration: ts.Declaration) => !declaration.getSourceFile().fileName.includes('/node_modules/');

/** `(2)` for what can be called, and needs two arguments. */
function callOf(type: ts.Type): string {
  const required = type.getCallSignatures().map(
    ({ parameters }) =>
      parameters.filter(({ valueDeclaration: at }) => {
        if (at === undefined || !ts.isParameter(at)) return false;
        return at.questionToken === undefined && at.initializer === undefined && at.dotDotDotToken === undefined;
      }).length,
  );
  return required.length === 0 ? '' : `(${Math.min(...required)})`;
}
