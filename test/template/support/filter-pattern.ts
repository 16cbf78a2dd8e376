import { at, parseJson, type Json } from './json.ts';

/**
 * Whether a metric filter with this pattern would count a log line ('Filter pattern syntax for metric filters' of the
 * CloudWatch Logs User Guide, JSON patterns with `=`, `>=`, `IS TRUE`, `IS FALSE`, `&&`, `||`, parentheses and `*`). Throws on other syntax.
 * A line that is no JSON object never matches.
 */
export function filterMatches(pattern: string, line: string): boolean {
  const tokens = tokensOf(pattern);
  const expression = disjunction(tokens);
  if (tokens.length > 0) throw new Error(`not read to its end: ${tokens.join(' ')}`);
  try {
    return expression(parseJson(line));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

type Expression = (event: Json) => boolean;

function tokensOf(pattern: string): string[] {
  const inner = /^\{(.*)\}$/s.exec(pattern.trim())?.[1];
  if (inner === undefined) throw new Error(`no JSON pattern: ${pattern}`);
  const token = /\s*("[^"]*"|&&|\|\||[()]|>=|=|IS|TRUE|FALSE|\$[\w.]+|[\d.]+)\s*/y;
  const tokens: string[] = [];
  while (token.lastIndex < inner.length) {
    const start = token.lastIndex;
    const found = token.exec(inner)?.[1];
    if (found === undefined) throw new Error(`cannot read the pattern at: ${inner.slice(start)}`);
    tokens.push(found);
  }
  return tokens;
}

function disjunction(tokens: string[]): Expression {
  const terms = separatedBy('||', tokens, conjunction);
  return (event) => terms.some((term) => term(event));
}

function conjunction(tokens: string[]): Expression {
  const terms = separatedBy('&&', tokens, term);
  return (event) => terms.every((one) => one(event));
}

function separatedBy(separator: string, tokens: string[], read: (tokens: string[]) => Expression): Expression[] {
  const expressions = [read(tokens)];
  while (tokens[0] === separator) {
    tokens.shift();
    expressions.push(read(tokens));
  }
  return expressions;
}

function term(tokens: string[]): Expression {
  const first = tokens.shift() ?? '';
  if (first === '(') {
    const inner = disjunction(tokens);
    if (tokens.shift() !== ')') throw new Error('a parenthesis is not closed');
    return inner;
  }
  const [operator = '', operand = ''] = tokens.splice(0, 2);
  if (!first.startsWith('$.') || operand === '') throw new Error(`no comparison: ${first} ${operator} ${operand}`);
  const path = first.slice(2).split('.');
  return (event) => compares(at(event, ...path), operator, operand);
}

function compares(found: Json | undefined, operator: string, operand: string): boolean {
  if (operator === '>=') return typeof found === 'number' && found >= Number(operand);
  if (operator === 'IS') return operand === 'TRUE' ? found === true : operand === 'FALSE' && found === false;
  if (operator !== '=' || !operand.startsWith('"')) throw new Error(`unknown comparison ${operator} ${operand}`);
  return typeof found === 'string' && wildcard(operand.slice(1, -1)).test(found);
}

function wildcard(operand: string): RegExp {
  return new RegExp(
    `^${operand
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    's',
  );
}
