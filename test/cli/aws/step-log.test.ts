import {
  CloudWatchLogsClient,
  CloudWatchLogsServiceException,
  FilterLogEventsCommand,
  type FilterLogEventsCommandInput,
} from '@aws-sdk/client-cloudwatch-logs';
import { mockClient } from 'aws-sdk-client-mock';
import { stepLog } from '../../../src/cli/aws/step-log.ts';
import type { LogEvent, LogFields } from '../../../src/secret/log-events.ts';
import { token } from '../../local/support/state-machine.ts';

const GROUP = '/aws/lambda/rotate';
const VERSION = token(2);
const REQUEST = '77aaae93-04f6-475f-8f38-83f68b68944c';

/** What each call asks for, but for the page: the words of our lines, and those that Lambda itself writes. */
const ASKED = {
  logGroupName: GROUP,
  startTime: 1000,
  filterPattern:
    '?"rotation_step_started" ?"rotation_step_finished" ?"rotation_step_failed" ?"Task timed out" ?"Runtime exited" ?"Uncaught Exception"',
} as const satisfies FilterLogEventsCommandInput;

/** A log that answers nothing but what a test expects of it. */
function opened() {
  const client = new CloudWatchLogsClient({ region: 'us-east-1' });
  const logs = mockClient(client);
  logs.onAnyCommand().callsFake((input) => {
    throw new Error(`no one expects ${JSON.stringify(input)}`);
  });
  const unreadable: string[] = [];
  const onUnreadable = (why: string) => unreadable.push(why);
  const read = stepLog(client, { logGroup: GROUP, versionId: VERSION, since: 1000, onUnreadable });
  /** What the next calls of the first page are answered with. */
  const shows = (...messages: readonly string[]) =>
    logs.on(FilterLogEventsCommand, ASKED, true).resolves({ events: messages.map(logged) });
  const refuses = (name: string) =>
    logs
      .on(FilterLogEventsCommand, ASKED, true)
      .rejects(new CloudWatchLogsServiceException({ name, $fault: 'client', $metadata: {} }));
  return { logs, read, shows, refuses, unreadable };
}

/** An event whose id is its message: the same line is the same event. */
function logged(message: string) {
  return { eventId: message, message, logStreamName: 'a', timestamp: 2000, ingestionTime: 3000 };
}

function line(event: LogEvent, step: string, fields: LogFields = {}): string {
  return JSON.stringify({ level: 'INFO', function_request_id: REQUEST, event, step, versionId: VERSION, ...fields });
}

const STARTED = line('rotation_step_started', 'createSecret');
const FINISHED = line('rotation_step_finished', 'createSecret');

describe('the log of the function', () => {
  test('gives the steps of this rotation, each line once', async () => {
    const { read, shows } = opened();
    shows(STARTED);
    expect(await read()).toEqual([{ step: 'createSecret', outcome: 'started' }]);
    // An older line that CloudWatch Logs shows late stands before those that were there.
    shows(line('rotation_step_finished', 'earlier'), STARTED, FINISHED);
    expect(await read()).toEqual([
      { step: 'earlier', outcome: 'finished' },
      { step: 'createSecret', outcome: 'finished' },
    ]);
    expect(await read()).toEqual([]);
  });

  test('is read page by page, empty pages too', async () => {
    const { logs, read } = opened();
    logs.on(FilterLogEventsCommand, ASKED, true).resolves({ events: [logged(STARTED)], nextToken: 'a' });
    logs.on(FilterLogEventsCommand, { ...ASKED, nextToken: 'a' }, true).resolves({ nextToken: 'b' });
    logs.on(FilterLogEventsCommand, { ...ASKED, nextToken: 'b' }, true).resolves({ events: [logged(FINISHED)] });
    expect((await read())?.map(({ outcome }) => outcome)).toEqual(['started', 'finished']);
  });

  test('tells why a step failed', async () => {
    const { read, shows } = opened();
    shows(line('rotation_step_failed', 'testSecret', { code: 'RING_KEY_UNREADABLE', reason: 'key 1 cannot be read' }));
    expect(await read()).toEqual([
      { step: 'testSecret', outcome: 'failed', reason: 'RING_KEY_UNREADABLE: key 1 cannot be read' },
    ]);
  });

  test.each([
    [`2026-11-25T04:04:48.295Z ${REQUEST} Task timed out after 30.03 seconds`, 'Task timed out after 30.03 seconds'],
    [
      `RequestId: ${REQUEST} Error: Runtime exited with error: signal: killed\nRuntime.ExitError`,
      'Runtime exited with error: signal: killed',
    ],
  ])('C17: tells of a step that Lambda ended: %j', async (message, reason) => {
    const { read, shows } = opened();
    shows(STARTED, message);
    expect((await read())?.at(-1)).toEqual({ step: 'createSecret', outcome: 'failed', reason });
  });

  test('tells of a function that does not even start, whatever rotation was to run', async () => {
    const { read, shows } = opened();
    const thrown = {
      errorType: 'Runtime.ImportModuleError',
      errorMessage: "Error: Cannot find module 'handler'\nRequire stack:\n- /var/runtime/index.mjs",
      stack: ["Runtime.ImportModuleError: Error: Cannot find module 'handler'"],
    };
    shows(`2026-11-25T04:04:48.295Z\tundefined\tERROR\tUncaught Exception \t${JSON.stringify(thrown)}`);
    const reason = "Runtime.ImportModuleError: Error: Cannot find module 'handler'";
    expect(await read()).toEqual([{ step: 'the function', outcome: 'failed', reason }]);
    shows('Uncaught Exception', 'Uncaught Exception 7');
    expect(await read()).toEqual([]);
  });

  test('leaves out other rotations, other runs and whatever else stands there', async () => {
    const { read, shows } = opened();
    shows(
      line('rotation_step_started', 'createSecret', { versionId: token(1), function_request_id: 'another-request' }),
      line('rotation_step_failed', 'createSecret', { versionId: token(1) }),
      line('key_promoted', 'finishSecret'),
      '2026-11-25T04:04:48.295Z another-request Task timed out after 30.03 seconds',
      `START RequestId: ${REQUEST} Version: $LATEST`,
      'rotation_step_started',
      '"rotation_step_started"',
      'null',
      '',
    );
    expect(await read()).toEqual([]);
  });
});

describe('a log that cannot be read', () => {
  test.each(['AccessDeniedException', 'InvalidParameterException', 'UnrecognizedClientException'])(
    'is not asked again after %s, which is said once',
    async (name) => {
      const { logs, read, refuses, unreadable } = opened();
      refuses(name);
      expect(await read()).toEqual([]);
      expect(await read()).toBeUndefined();
      expect(await read()).toBeUndefined();
      expect(unreadable).toEqual([`logs:FilterLogEvents: ${name}`]);
      expect(logs.commandCalls(FilterLogEventsCommand)).toHaveLength(1);
    },
  );

  test('is not asked again where the network has no way to it', async () => {
    const { logs, read, unreadable } = opened();
    logs.on(FilterLogEventsCommand, ASKED, true).rejects(Object.assign(new Error('late'), { name: 'TimeoutError' }));
    await read();
    expect(await read()).toBeUndefined();
    expect(unreadable).toEqual(['logs:FilterLogEvents: TimeoutError']);
  });

  test('because there is no such group yet is said once, and looked for again', async () => {
    const { read, refuses, shows, unreadable } = opened();
    refuses('ResourceNotFoundException');
    expect([await read(), await read()]).toEqual([[], []]);
    expect(unreadable).toEqual([`there is no log group ${GROUP} so far`]);
    shows(STARTED);
    expect(await read()).toHaveLength(1);
  });

  test('because it is asked too often is asked later, without a word', async () => {
    const { read, refuses, shows, unreadable } = opened();
    refuses('ThrottlingException');
    expect(await read()).toEqual([]);
    shows(STARTED);
    expect(await read()).toHaveLength(1);
    expect(unreadable).toEqual([]);
  });

  test('gives the pages that came before it failed', async () => {
    const { logs, read } = opened();
    logs.on(FilterLogEventsCommand, ASKED, true).resolves({ events: [logged(STARTED)], nextToken: 'a' });
    expect(await read()).toHaveLength(1);
    expect(await read()).toBeUndefined();
  });
});
