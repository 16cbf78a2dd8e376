import { at, isList, isObject, list, object, spelled, text, type Json, type JsonObject } from './json.ts';
import { parameterValues, refusals, type Parameters } from './parameters.ts';
import { attribute, pseudoParameters, reference, type MadeResource } from './physical-id.ts';
import { TEMPLATE } from './template-file.ts';

const RESOURCES = object(TEMPLATE['Resources']);
const CONDITIONS = object(TEMPLATE['Conditions']);

/** A resource that a deploy makes, with every intrinsic function resolved. */
interface Resource {
  readonly type: string;
  readonly properties: JsonObject;
  readonly deletionPolicy: Json | undefined;
  readonly updateReplacePolicy: Json | undefined;
  /** Logical ids that CloudFormation makes before it: DependsOn, and every reference. */
  readonly madeAfter: ReadonlySet<string>;
}

export interface Stack {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly outputs: JsonObject;
  /** A resource that must be there. */
  readonly resource: (logicalId: string) => Resource;
  /** A property of such a resource. */
  readonly property: (logicalId: string, ...keys: readonly string[]) => Json | undefined;
}

/**
 * What CloudFormation would make of the template with these parameters. Throws where it would refuse: a parameter, a
 * rule, a reference to a resource that its condition leaves out, an unknown function.
 */
export function deploy(parameters: Parameters = {}, where: readonly [partition?: string, region?: string] = []): Stack {
  const refused = [...refusals(parameters), ...brokenRules(parameters)];
  if (refused.length > 0) throw new Error(refused.join(' '));

  const resolver = new Resolver(parameters, pseudoParameters(...where));
  const resources = new Map<string, Resource>();
  for (const [logicalId, raw] of Object.entries(RESOURCES)) {
    if (resolver.exists(object(raw))) resources.set(logicalId, resolver.resource(object(raw)));
  }
  const outputs = Object.entries(object(TEMPLATE['Outputs'])).filter(([, raw]) => resolver.exists(object(raw)));
  const resource = (logicalId: string) => {
    const found = resources.get(logicalId);
    if (found === undefined) throw new Error(`the stack has no ${logicalId}`);
    return found;
  };
  return {
    resources,
    outputs: Object.fromEntries(outputs.map(([name, raw]) => [name, resolver.value(at(raw, 'Value') ?? null)])),
    resource,
    property: (logicalId, ...keys) => at(resource(logicalId).properties, ...keys),
  };
}

/** The descriptions of those assertions of the template's rules that do not hold. */
export function brokenRules(parameters: Parameters): readonly string[] {
  const resolver = new Resolver(parameters);
  return Object.values(object(TEMPLATE['Rules']))
    .filter((rule) => resolver.value(at(rule, 'RuleCondition') ?? true) === true)
    .flatMap((rule) => list(at(rule, 'Assertions')))
    .filter((assertion) => resolver.value(at(assertion, 'Assert') ?? null) !== true)
    .map((assertion) => text(at(assertion, 'AssertDescription')));
}

/** Stands for `AWS::NoValue`: what it takes the place of is left out. */
const NO_VALUE = Symbol('AWS::NoValue');
type Resolved = Json | typeof NO_VALUE;

class Resolver {
  readonly #parameters: JsonObject;
  #seen = new Set<string>();

  constructor(parameters: Parameters, pseudo = pseudoParameters()) {
    this.#parameters = { ...parameterValues(parameters), ...pseudo };
  }

  exists(raw: JsonObject): boolean {
    const condition = raw['Condition'];
    return condition === undefined || this.#condition(text(condition));
  }

  resource(raw: JsonObject): Resource {
    const dependsOn = [raw['DependsOn'] ?? []].flat().map((id) => this.#dependency(text(id)));
    const [properties, referred] = this.#withReferences(() => object(this.value(raw['Properties'] ?? {})));
    const [, referredInMetadata] = this.#withReferences(() => this.value(raw['Metadata'] ?? {}));
    return {
      type: text(raw['Type']),
      properties,
      deletionPolicy: raw['DeletionPolicy'],
      updateReplacePolicy: raw['UpdateReplacePolicy'],
      madeAfter: new Set([...dependsOn, ...referred, ...referredInMetadata]),
    };
  }

  value(raw: Json): Json {
    const resolved = this.#resolve(raw);
    if (resolved === NO_VALUE) throw new Error('AWS::NoValue stands where a value must be');
    return resolved;
  }

  #withReferences<T>(resolve: () => T): readonly [T, ReadonlySet<string>] {
    const before = this.#seen;
    this.#seen = new Set();
    const result = resolve();
    const seen = this.#seen;
    this.#seen = before;
    return [result, seen];
  }

  #resolve(raw: Json): Resolved {
    if (isList(raw)) return raw.map((item) => this.#resolve(item)).filter((item) => item !== NO_VALUE);
    if (!isObject(raw)) return raw;
    const [first, ...others] = Object.entries(raw);
    if (
      first !== undefined &&
      others.length === 0 &&
      /^(Ref|Condition|Fn::.*)$/.test(first[0]) &&
      !isObject(first[1])
    ) {
      return this.#call(first[0], first[1]);
    }
    const entries = Object.entries(raw).map(([key, value]): [string, Resolved] => [key, this.#resolve(value)]);
    return Object.fromEntries(entries.filter((entry): entry is [string, Json] => entry[1] !== NO_VALUE));
  }

  #call(name: string, input: Json): Resolved {
    switch (name) {
      case 'Ref':
        return this.#reference(text(input));
      case 'Condition':
        return this.#condition(text(input));
      case 'Fn::GetAtt': {
        const [logicalId, attributeName] = list(input).map(text);
        return attribute(this.#made(logicalId ?? ''), attributeName ?? '');
      }
      case 'Fn::If': {
        const [condition, whenTrue, whenFalse] = list(input);
        return this.#resolve((this.#condition(text(condition)) ? whenTrue : whenFalse) ?? null);
      }
      case 'Fn::Sub':
        return typeof input === 'string' ? this.#substitute(input, {}) : this.#substituteWith(list(input));
      case 'Fn::Equals': {
        const [left, right] = list(input).map((item) => spelled(this.value(item)));
        return left === right;
      }
      case 'Fn::Not':
        return this.value(list(input)[0] ?? null) !== true;
      case 'Fn::And':
        return list(input).every((item) => this.value(item) === true);
      case 'Fn::Or':
        return list(input).some((item) => this.value(item) === true);
      case 'Fn::Join': {
        const [separator, items] = list(input);
        return list(this.value(items ?? null))
          .map(text)
          .join(text(separator));
      }
      case 'Fn::Split': {
        const [separator, whole] = list(input);
        return text(this.value(whole ?? null)).split(text(separator));
      }
      case 'Fn::Select': {
        const [index, items] = list(input);
        const selected = list(this.value(items ?? null))[Number(index)];
        if (selected === undefined) throw new Error(`Fn::Select finds nothing at ${Number(index)}`);
        return selected;
      }
      default:
        throw new Error(`${name} is unknown to these tests`);
    }
  }

  #reference(name: string): Resolved {
    if (name === 'AWS::NoValue') return NO_VALUE;
    return this.#parameters[name] ?? reference(this.#made(name));
  }

  #substituteWith([template, values]: readonly Json[]): string {
    return this.#substitute(text(template), object(this.value(values ?? null)));
  }

  #substitute(template: string, values: JsonObject): string {
    return template.replace(/\$\{([^!}]+)\}/g, (_, name: string) => {
      const [logicalId, attributeName] = name.split('.');
      if (attributeName !== undefined) return attribute(this.#made(logicalId ?? ''), attributeName);
      return text(values[name] ?? this.value({ Ref: name }));
    });
  }

  #condition(name: string): boolean {
    const raw = CONDITIONS[name];
    if (raw === undefined) throw new Error(`there is no condition ${name}`);
    return this.value(raw) === true;
  }

  #dependency(logicalId: string): string {
    this.#made(logicalId);
    return logicalId;
  }

  #made(logicalId: string): MadeResource {
    const raw = RESOURCES[logicalId];
    if (raw === undefined) throw new Error(`there is no resource or parameter ${logicalId}`);
    if (!this.exists(object(raw))) throw new Error(`${logicalId} is not made with these parameters, yet it is needed`);
    this.#seen.add(logicalId);
    const property = (name: string) => {
      const value = at(raw, 'Properties', name);
      return value === undefined ? undefined : this.value(value);
    };
    return { logicalId, type: text(at(raw, 'Type')), property };
  }
}
