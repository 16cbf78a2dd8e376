import { isDirect, namesProxy, proxyFor } from '../../../src/keyring/source/proxy-variables.ts';

const HOST = 'secretsmanager.us-east-1.amazonaws.com';

describe('a proxy', () => {
  test.each([
    [{ HTTPS_PROXY: 'http://proxy.example:3128' }, 'proxy.example:3128', 'HTTPS_PROXY'],
    [{ https_proxy: 'http://lower:1', HTTPS_PROXY: 'http://upper:2' }, 'lower:1', 'https_proxy'],
    [{ HTTPS_PROXY: 'proxy.example:3128' }, 'proxy.example:3128', 'HTTPS_PROXY'],
    [{ HTTPS_PROXY: ' http://proxy.example ' }, 'proxy.example:80', 'HTTPS_PROXY'],
    [{ HTTPS_PROXY: 'https://name:pass@proxy.example' }, 'proxy.example:443', 'HTTPS_PROXY'],
  ])('of %j is %s', (environment, host, variable) => {
    expect(proxyFor('https', environment)).toMatchObject({ host, variable });
    expect(namesProxy(environment)).toBe(true);
  });

  test.each([
    {},
    { HTTPS_PROXY: '' },
    { https_proxy: '', HTTPS_PROXY: 'http://proxy.example' },
    { ALL_PROXY: 'http://x' },
  ])('of %j is none', (environment) => {
    expect(proxyFor('https', environment)).toBeUndefined();
    expect(namesProxy(environment)).toBe(false);
  });

  test('for plain HTTP has a variable of its own', () => {
    const environment = { HTTP_PROXY: 'http://proxy.example:8080' };
    expect(namesProxy(environment)).toBe(true);
    expect(proxyFor('https', environment)).toBeUndefined();
    expect(proxyFor('http', environment)?.host).toBe('proxy.example:8080');
  });

  test.each(['socks5://me:geheim@proxy.example', 'http://me:geheim@', 'http://me:geheim@proxy:99999999'])(
    'of another kind is refused, and the value is not shown: %s',
    (value) => {
      expect(() => proxyFor('https', { HTTPS_PROXY: value })).toThrow(
        expect.objectContaining({
          code: 'INVALID_SETTINGS',
          message: expect.not.stringContaining('geheim') as string,
        }) as Error,
      );
    },
  );
});

describe('NO_PROXY', () => {
  test.each([
    '*',
    HOST,
    'amazonaws.com',
    '.amazonaws.com',
    '*.amazonaws.com',
    'AMAZONAWS.COM',
    'one.example, us-east-1.amazonaws.com',
    'one.example amazonaws.com',
    'amazonaws.com:443',
  ])('%s leads straight to the service', (entry) => {
    expect(isDirect(HOST, 443, { NO_PROXY: entry })).toBe(true);
  });

  test.each(['', 'example.com', 'aws.com', 'secretsmanager', 'amazonaws.com:8443', ',', '.', '127.0.0.0/8'])(
    '%j does not',
    (entry) => {
      expect(isDirect(HOST, 443, { NO_PROXY: entry })).toBe(false);
    },
  );

  test('in lower case wins', () => {
    expect(isDirect(HOST, 443, { no_proxy: 'example.com', NO_PROXY: '*' })).toBe(false);
  });

  test.each(['localhost', 'secrets.localhost', '127.0.0.1', '127.8.8.8', '::1'])('is not needed for %s', (host) => {
    expect(isDirect(host, 4566, {})).toBe(true);
  });

  test.each(['127.example.com', 'localhost.example.com', '128.0.0.1'])('is needed for %s', (host) => {
    expect(isDirect(host, 443, {})).toBe(false);
  });
});
