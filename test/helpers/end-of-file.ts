import test from 'ava';

const PATIENCE_MS = 20_000;

// When all tests of a file are over its process ends by itself. If something keeps it, ava waits for minutes and fails without a word: here is the word.
test.after.always('the file ends', () => {
  const timer = setTimeout(() => {
    const holding = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
    console.error(`${test.meta.file} does not end, something is still open: ${holding.join(', ')}`);
  }, PATIENCE_MS);
  timer.unref();
});
