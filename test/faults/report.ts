import type { Drained } from './drain.ts';
import type { Fault } from './flow.ts';
import type { Finding, Verdict, Verification } from './verify.ts';

/** What came of a run. */
export interface Outcome {
  readonly reader: 'gateway' | 'native engine';
  readonly seed: number;
  readonly minutes: number;
  readonly faults: readonly Fault[];
  readonly kinds: readonly string[];
  readonly drained: Drained;
  readonly verification: Verification;
  /** Gateways that died by themselves. */
  readonly deaths: readonly string[];
  readonly serverDeaths: number;
}

/** A sentence that holds or does not: what the closing line counts. */
export interface Check {
  readonly sentence: string;
  readonly isPassed: boolean;
}

const AFTERMATH_MS = 15_000;
const FINDINGS_AT_MOST = 40;

export function checksOf({ drained, verification, deaths, reader }: Outcome): Check[] {
  const checks = verification.verdicts.map((verdict) => ({
    sentence: `${verdict.target} holds each message ${verdict.isExactlyOnce ? 'exactly' : 'at least'} once${complaint(verdict)}`,
    isPassed: verdict.isPassed,
  }));
  checks.push({ sentence: 'everything was read and committed in the end', isPassed: drained.isDone });
  if (reader === 'gateway') checks.push({ sentence: 'no gateway died by itself', isPassed: deaths.length === 0 });
  return checks;
}

function complaint({ lost, doubled, foreign, altered, disordered = 0, isPassed }: Verdict): string {
  const order = disordered === 0 ? '' : `, ${disordered} not in their order`;
  return isPassed
    ? ''
    : `: ${lost} lost, ${doubled} doubled, ${foreign} that nobody wrote, ${altered} partitions with other contents${order}`;
}

/** The figures for programs. */
export function figuresOf(outcome: Outcome): object {
  const { reader, seed, minutes, faults, verification, drained, serverDeaths, deaths } = outcome;
  const promised = verification.verdicts.filter(({ isExactlyOnce }) => isExactlyOnce);
  return {
    reader,
    seed,
    minutes: Number(minutes.toFixed(1)),
    faults: faults.length,
    byKind: Object.fromEntries(byKind(outcome).map(([kind, { count }]) => [kind, count])),
    lost: sum(verification.verdicts, 'lost'),
    doubled: sum(promised, 'doubled'),
    messages: messagesRead(verification),
    messagesLost: messagesFound(verification.findings, 'lost', verification.verdicts),
    messagesDoubled: messagesFound(verification.findings, 'doubled', promised),
    isDrained: drained.isDone,
    drainSeconds: Math.round(drained.tookMs / 1000),
    gatewayDeaths: deaths.length,
    libchdbDeaths: serverDeaths,
    targets: verification.verdicts,
  };
}

function sum(verdicts: readonly Verdict[], what: 'lost' | 'doubled'): number {
  return verdicts.reduce((total, verdict) => total + verdict[what], 0);
}

/** Messages of all topics: each target of one topic has as many. A pipe's messages are those of its first topic. */
function messagesRead({ verdicts }: Verification): number {
  const of = (name: string): number => verdicts.find(({ target }) => target === name)?.messages ?? 0;
  return of('plain') + of('notes') + of('notes_errors') + of('clicks') + of('out by view') + of('out by insert') + of('out by select');
}

/** How many different messages were found so in any of these targets. */
function messagesFound(findings: readonly Finding[], what: Finding['what'], verdicts: readonly Verdict[]): number {
  const targets = new Set(verdicts.map(({ target }) => target));
  const found = findings.filter((finding) => finding.what === what && targets.has(finding.target));
  return new Set(found.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`)).size;
}

/** What was found but messages that are there twice where at least once is all that can be had. */
function brokenPromises({ findings, verdicts }: Verification): Finding[] {
  const promised = new Set(verdicts.filter(({ isExactlyOnce }) => isExactlyOnce).map(({ target }) => target));
  return findings.filter(({ what, target }) => what !== 'doubled' || promised.has(target));
}

interface KindFigures {
  readonly count: number;
  readonly lost: number;
  readonly doubled: number;
}

/** Faults of each kind, and the findings with such a fault under way or over for less than 15 s at their moment: two kinds may share one. */
function byKind({ faults, kinds, verification }: Outcome): [string, KindFigures][] {
  return kinds.map((kind) => {
    const of = faults.filter((fault) => fault.kind === kind);
    const near = (what: Finding['what']): number =>
      brokenPromises(verification).filter((finding) => finding.what === what && of.some((fault) => isNear(finding, fault))).length;
    return [kind, { count: of.length, lost: near('lost'), doubled: near('doubled') }];
  });
}

function isNear(finding: Finding, { beganAtMs, endedAtMs }: Fault): boolean {
  const atMs = finding.insertedAtMs?.[1] ?? finding.writtenAtMs;
  return atMs >= beganAtMs - 1000 && atMs <= endedAtMs + AFTERMATH_MS;
}

/** The tables for people. */
export function renderReport(outcome: Outcome): string {
  const kinds = byKind(outcome).map(([kind, { count, lost, doubled }]) => [kind, count, lost, doubled].map(String));
  const targets = outcome.verification.verdicts.map((verdict) => [
    verdict.target,
    verdict.isExactlyOnce ? 'exactly once' : 'at least once',
    ...[verdict.messages, verdict.lost, verdict.doubled, verdict.foreign].map((figure) => figure.toLocaleString('en-US')),
  ]);
  const all = [
    ...Array<string>(1).fill('all'),
    outcome.faults.length,
    ...(['lost', 'doubled'] as const).map((what) => total(outcome, what)),
  ];
  return [
    aligned([['fault', 'times', 'lost near', 'doubled near'], ...kinds, all.map(String)]),
    aligned([['target', 'promise', 'messages', 'lost', 'doubled', 'foreign'], ...targets]),
  ].join('\n\n');
}

function total({ verification }: Outcome, what: Finding['what']): number {
  return brokenPromises(verification).filter((finding) => finding.what === what).length;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '))
    .join('\n');
}

/** What was found: neighbours together, the targets that share it, and the faults near it. */
export function renderFindings({ verification, faults }: Outcome): string {
  const places = new Map<string, { readonly run: readonly Finding[]; readonly targets: string[] }>();
  for (const run of runsOf(brokenPromises(verification))) {
    const [first, last] = [run[0], run.at(-1)] as [Finding, Finding];
    const place = `${first.topic}[${first.partition}] ${first.offset}-${last.offset} ${first.what}`;
    const known = places.get(place);
    if (known === undefined) places.set(place, { run, targets: [first.target] });
    else known.targets.push(first.target);
  }
  const lines = [...places].map(([place, { run, targets }]) => {
    const [first] = run as [Finding];
    const near = faults.filter((fault) => run.some((finding) => isNear(finding, fault))).map(({ number, kind }) => `${number} ${kind}`);
    const inserted = first.insertedAtMs === undefined ? '' : `, inserted ${first.insertedAtMs.map(timeOf).join(' and ')}`;
    return `${place}: ${run.length} in ${targets.join(', ')}; ${first.times} times there, written ${timeOf(first.writtenAtMs)}${inserted}; near ${near.join(', ') || 'nothing'}`;
  });
  const more = lines.length - FINDINGS_AT_MOST;
  return [...lines.slice(0, FINDINGS_AT_MOST), ...(more > 0 ? [`… and ${more} more`] : [])].join('\n');
}

/** Findings that follow one another in their partition, with offsets of control records between them at most. */
function runsOf(findings: readonly Finding[]): Finding[][] {
  const runs: Finding[][] = [];
  for (const finding of findings) {
    const last = runs.at(-1)?.at(-1);
    const isNext =
      last !== undefined &&
      last.target === finding.target &&
      last.what === finding.what &&
      last.topic === finding.topic &&
      last.partition === finding.partition &&
      finding.offset - last.offset <= 3 &&
      last.insertedAtMs?.[1] === finding.insertedAtMs?.[1];
    if (isNext) runs.at(-1)?.push(finding);
    else runs.push([finding]);
  }
  return runs;
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
