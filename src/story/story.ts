import type { KeyNumber } from '../format/key-number.ts';
import type { LambdaChoice } from '../local/start.ts';
import { countReadableWith, readRecords, type UnreadableRecord } from './application.ts';
import { usualLambda } from './usual-lambda.ts';
import { GUIDE, liveThrough, periodsOf, type Happening, type KeptVersion, type Lived } from './years.ts';

/** What `npm start -- --json` prints. It holds no key. */
export interface StoryResult {
  /** Whether everything that was ever written can still be read. */
  readonly ok: boolean;
  readonly secretId: string;
  readonly years: number;
  /** Between two rotations. */
  readonly days: number;
  readonly rotations: number;
  /** Each a fresh process. */
  readonly lambdaRuns: number;
  /** Of all readings of all years. */
  readonly decryptions: number;
  readonly ciphertexts: number;
  readonly readable: number;
  readonly unreadable: readonly UnreadableRecord[];
  readonly versions: readonly VersionAtTheEnd[];
  readonly contrast: Contrast;
  readonly seconds: number;
}

export interface VersionAtTheEnd extends KeptVersion {
  readonly encrypted: readonly string[];
}

/** What others could still read. */
interface Contrast {
  /** Of these ciphertexts: with the key labelled `AWSCURRENT` alone, and with `AWSPREVIOUS` too. */
  readonly currentOnly: number;
  readonly currentAndPrevious: number;
  /** After these years with a Lambda that does not number its keys. */
  readonly usualLambda: {
    readonly keysMade: number;
    readonly keysLeft: number;
    readonly ciphertexts: number;
    readonly readable: number;
  };
}

export interface StoryOptions {
  readonly years: number;
  readonly days: number;
  readonly lambda: LambdaChoice;
  readonly loseKey?: KeyNumber;
  readonly tell: (happening: Happening) => void;
}

/** Throws `RotationFailedError` if a rotation did not succeed. Unreadable data is no error but part of the result. */
export async function tellStory({ years, days, lambda, loseKey, tell }: StoryOptions): Promise<StoryResult> {
  const begun = performance.now();
  const periods = periodsOf(years, days);
  const lost = loseKey === undefined ? {} : { loseKey };
  const lived = await liveThrough({ periods, days, lambda: () => lambda, tell, ...lost });
  try {
    const { secret, records, readings, rotations, versions } = lived;
    const unreadable = readings.at(-1)?.unreadable ?? [];
    return {
      ok: readings.every((reading) => reading.unreadable.length === 0),
      secretId: GUIDE.secretId,
      years,
      days,
      rotations: rotations.length,
      lambdaRuns: rotations.flatMap(({ attempts }) => attempts.flatMap(({ steps }) => steps)).length,
      decryptions: readings.reduce((sum, { tried }) => sum + tried, 0),
      ciphertexts: records.length,
      readable: records.length - unreadable.length,
      unreadable,
      versions: versions.map((version) => ({
        ...version,
        encrypted: records.filter(({ versionId }) => versionId === version.versionId).map(({ text }) => text),
      })),
      contrast: {
        currentOnly: await countReadableWith(secret, ['AWSCURRENT'], records),
        currentAndPrevious: await countReadableWith(secret, ['AWSCURRENT', 'AWSPREVIOUS'], records),
        usualLambda: await withUsualLambda(periods, days),
      },
      seconds: Math.round((performance.now() - begun) / 100) / 10,
    };
  } finally {
    await lived.close();
  }
}

async function withUsualLambda(periods: number, days: number): Promise<Contrast['usualLambda']> {
  const lived: Lived = await liveThrough({ periods, days, lambda: usualLambda, tell: () => undefined });
  try {
    const { unreadable, tried } = await readRecords(lived.secret, lived.records);
    return {
      keysMade: new Set(lived.records.map(({ versionId }) => versionId)).size,
      keysLeft: lived.versions.length,
      ciphertexts: tried,
      readable: tried - unreadable.length,
    };
  } finally {
    await lived.close();
  }
}
