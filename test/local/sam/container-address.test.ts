import { hostForContainers, urlForContainers } from '../../../src/local/sam/container-address.ts';

describe('where Docker runs on this machine', () => {
  test('the service listens on its network alone, and containers find it there', () => {
    expect(hostForContainers('172.17.0.1')).toBe('172.17.0.1');
    expect(urlForContainers('172.17.0.1', 4566, '172.17.0.1')).toBe('http://172.17.0.1:4566');
  });

  test('containers find a service that listens on every address', () => {
    expect(urlForContainers('0.0.0.0', 4566, '172.17.0.1')).toBe('http://172.17.0.1:4566');
  });
});

test('with Docker Desktop the service listens on the loopback address, and containers find it by the name of the host', () => {
  expect(hostForContainers(undefined)).toBe('127.0.0.1');
  expect(urlForContainers('127.0.0.1', 4566, undefined)).toBe('http://host.docker.internal:4566');
});

test('an address of its own is good for both', () => {
  expect(urlForContainers('10.1.2.3', 80, '172.17.0.1')).toBe('http://10.1.2.3:80');
});
