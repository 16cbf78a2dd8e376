/** What the filters of ListSecrets find, each fact beneath its source. */
export interface RecordedFilters {
  readonly source: string;
  readonly secrets: readonly {
    readonly name: string;
    readonly description?: string;
    readonly tags?: Readonly<Record<string, string>>;
  }[];
  readonly facts: readonly Fact[];
}

/** Filters, a key with its values each, and the names of the secrets that fit all of them. */
type Fact = readonly [filters: readonly (readonly [key: string, ...values: string[]])[], found: readonly string[]];

export const RECORDED_FILTERS: readonly RecordedFilters[] = [
  {
    source:
      'localstack/localstack, tests/aws/services/secretsmanager/test_secretsmanager.py, test_list_secrets_filtering (validated on AWS)',
    secrets: [
      { name: 'testing1/one', description: 'a secret' },
      { name: '/testing2/two', description: 'an secret' },
      { name: 'testing3/three', description: 'asecret' },
      { name: '/testing4/four', description: 'thesecret' },
    ],
    facts: [
      [[['name', '/']], ['/testing2/two', '/testing4/four']],
      [[['name', '!/']], ['testing1/one', 'testing3/three']],
      [[['name', 'testing1 one']], []],
      [[['description', 'a']], ['testing1/one', '/testing2/two', 'testing3/three']],
      [[['description', '!a']], ['/testing4/four']],
      [[['description', 'a secret']], ['testing1/one', '/testing2/two']],
      [[['description', '!c']], ['testing1/one', '/testing2/two', 'testing3/three', '/testing4/four']],
      [
        [
          ['description', 'a'],
          ['name', 'secret'],
        ],
        [],
      ],
      [
        [
          ['description', 'a'],
          ['name', 'an'],
        ],
        [],
      ],
    ],
  },
  {
    source: 'getmoto/moto, tests/test_secretsmanager/test_list_secrets.py, test_with_all_filter (verified on AWS)',
    secrets: [
      { name: 'SecretOne' },
      { name: 'SecretTwo', description: 'DescTwo' },
      { name: 'Thirdsecret' },
      { name: 'SecretFTag', tags: { '1': 'foo' } },
      { name: 'SecretFValue', tags: { foo: 'v' } },
      { name: 'none' },
    ],
    facts: [
      [[['all', 'SecretOne']], ['SecretOne']],
      [[['all', 'foo']], ['SecretFTag', 'SecretFValue']],
      [[['all', 'Secret']], ['SecretOne', 'SecretTwo', 'SecretFTag', 'SecretFValue']],
      [[['all', 'secret']], ['SecretOne', 'SecretTwo', 'SecretFTag', 'SecretFValue']],
      [[['all', 'ret']], []],
      [[['all', 'sec']], ['SecretOne', 'SecretTwo', 'SecretFTag', 'SecretFValue']],
      [[['all', 'SomeSecret']], []],
      [[['all', 'd']], ['SecretTwo']],
      [[['all', 'd t']], ['SecretTwo']],
      [[['all', 't']], ['SecretTwo', 'Thirdsecret', 'SecretFTag']],
    ],
  },
  {
    source:
      'getmoto/moto, tests/test_secretsmanager/test_list_secrets.py, test_with_all_filter_special_characters (verified on AWS)',
    secrets: [
      { name: 'prod/AppBeta/x' },
      { name: 'prod_AppBeta_x' },
      { name: 'prod+AppBeta+x' },
      { name: 'prod=AppBeta=x' },
      { name: 'prod.AppBeta.x' },
      { name: 'prod@AppBeta@x' },
      { name: 'prod-AppBeta-x' },
      { name: 'uat/COMPANY/x' },
      { name: 'uat/COMPANYthings/x' },
    ],
    facts: [
      [
        [['all', 'AppBeta']],
        [
          'prod/AppBeta/x',
          'prod_AppBeta_x',
          'prod+AppBeta+x',
          'prod=AppBeta=x',
          'prod.AppBeta.x',
          'prod@AppBeta@x',
          'prod-AppBeta-x',
        ],
      ],
      [
        [['all', 'Beta']],
        [
          'prod/AppBeta/x',
          'prod_AppBeta_x',
          'prod+AppBeta+x',
          'prod=AppBeta=x',
          'prod.AppBeta.x',
          'prod@AppBeta@x',
          'prod-AppBeta-x',
        ],
      ],
      [
        [['all', 'AppBeta', 'prod']],
        [
          'prod/AppBeta/x',
          'prod_AppBeta_x',
          'prod+AppBeta+x',
          'prod=AppBeta=x',
          'prod.AppBeta.x',
          'prod@AppBeta@x',
          'prod-AppBeta-x',
        ],
      ],
      [[['all', '+']], []],
      [
        [['all', 'x']],
        [
          'prod/AppBeta/x',
          'prod_AppBeta_x',
          'prod+AppBeta+x',
          'prod=AppBeta=x',
          'prod.AppBeta.x',
          'prod@AppBeta@x',
          'prod-AppBeta-x',
          'uat/COMPANY/x',
          'uat/COMPANYthings/x',
        ],
      ],
      [[['all', 'company']], ['uat/COMPANY/x']],
      [[['all', 'things']], []],
      [[['all', 'Ythings']], ['uat/COMPANYthings/x']],
      [[['all', 'N']], []],
      [[['all', 'pany']], []],
    ],
  },
  {
    source:
      'getmoto/moto, tests/test_secretsmanager/test_list_secrets.py, test_with_filter_with_value_with_multiple_words and test_with_duplicate_filter_keys (verified on AWS)',
    secrets: [
      { name: 'foo', description: 'one two' },
      { name: 'bar', description: 'one and two' },
      { name: 'baz', description: 'one' },
      { name: 'qux', description: 'two' },
      { name: 'none', description: 'unrelated' },
    ],
    facts: [
      [[['description', 'one two']], ['foo', 'bar']],
      [[['description', 'o t']], ['foo', 'bar']],
      [[['description', 't']], ['foo', 'bar', 'qux']],
      [
        [
          ['description', 'one'],
          ['description', 'two'],
        ],
        ['foo', 'bar'],
      ],
    ],
  },
  {
    source: 'AWS Secrets Manager User Guide, Find secrets in AWS Secrets Manager: filters',
    secrets: [
      { name: 'DatabaseSecret', description: 'My Description', tags: { Production: '1' } },
      { name: 'databaseSecret', description: 'my description', tags: { Prod1: '1' } },
      { name: 'MyData', description: 'My basic description', tags: { prod: '1' } },
      { name: 'last', description: 'Description of my secret', tags: { '1 Prod': '1' } },
    ],
    facts: [
      [[['name', 'Data']], ['DatabaseSecret']],
      [[['description', 'My Description']], ['DatabaseSecret', 'databaseSecret', 'MyData', 'last']],
      [[['tag-key', 'Prod']], ['DatabaseSecret', 'databaseSecret']],
    ],
  },
  {
    source: 'AWS Secrets Manager User Guide, Find secrets in AWS Secrets Manager: tag values',
    secrets: [
      { name: 'a', tags: { stage: 'Production' } },
      { name: 'b', tags: { stage: 'Prod1' } },
      { name: 'c', tags: { stage: 'prod' } },
      { name: 'd', tags: { stage: '1 Prod' } },
    ],
    facts: [
      [[['tag-value', 'Prod']], ['a', 'b']],
      [[['tag-value', '1']], ['d']],
      [[['tag-value', 'Production', '1 P']], ['a', 'd']],
    ],
  },
  {
    source: 'AWS Secrets Manager User Guide, Find secrets in AWS Secrets Manager: words, without a filter',
    secrets: [
      { name: 'creds/Database/892' },
      { name: 'app', description: 'The 892nd Database: creds' },
      { name: 'tagged', tags: { note: 'Database_creds-892' } },
      { name: 'credsDatabase892' },
      { name: 'creds', description: 'Database', tags: { number: '892' } },
      { name: 'CREDS/DATABASE' },
    ],
    facts: [
      [[['all', 'credsDatabase 892']], ['creds/Database/892', 'app', 'tagged', 'credsDatabase892']],
      [[['all', 'credsDatabase892']], ['creds/Database/892', 'app', 'tagged', 'credsDatabase892']],
      [[['all', '892']], ['creds/Database/892', 'app', 'tagged', 'credsDatabase892', 'creds']],
      [[['all', 'DATABASE']], ['creds/Database/892', 'app', 'tagged', 'credsDatabase892', 'creds', 'CREDS/DATABASE']],
      [[['all', '=/_']], []],
    ],
  },
  {
    source: 'AWS Secrets Manager API Reference, Filter',
    secrets: [
      { name: 'team/one', description: 'One', tags: { Team: 'Blue' } },
      { name: 'team/two', description: 'Two', tags: { team: 'Red', Stage: 'prod' } },
      { name: 'Team/three' },
    ],
    facts: [
      [[['name', 'team']], ['team/one', 'team/two']],
      [[['name', 'Team']], ['Team/three']],
      [[['name', 'team/one']], ['team/one']],
      [[['name', 'one']], []],
      [[['name', 'team/o', 'Team']], ['team/one', 'Team/three']],
      [[['name', '!team']], ['Team/three']],
      [[['description', 'ONE']], ['team/one']],
      [[['description', '!one']], ['team/two', 'Team/three']],
      [[['tag-key', 'team']], ['team/two']],
      [[['tag-key', 'Sta']], ['team/two']],
      [[['tag-key', '!Team']], ['team/two', 'Team/three']],
      [[['tag-value', 'blue']], []],
      [[['tag-value', 'Blu']], ['team/one']],
      [[['primary-region', 'us-east-1']], ['team/one', 'team/two', 'Team/three']],
      [[['primary-region', 'us-']], ['team/one', 'team/two', 'Team/three']],
      [[['primary-region', 'US']], []],
      [[['all', '!one']], ['team/two', 'Team/three']],
      [[['owning-service', 'n/a']], []],
    ],
  },
];

/** Filters that are refused, and how. */
export const REFUSED_FILTERS: readonly {
  readonly source: string;
  readonly filter: object;
  readonly refusal: string;
}[] = [
  {
    source: 'getmoto/moto, pull request 3173',
    filter: { Values: ['foo'] },
    refusal: 'InvalidParameterException: Invalid filter key',
  },
  {
    source: 'getmoto/moto, pull request 3173',
    filter: { Key: 'description' },
    refusal: 'InvalidParameterException: Invalid filter values for key: description',
  },
];
