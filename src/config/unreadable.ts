/** Why `fs.readFileSync` threw, in words that follow "the file 'x'". */
export function whyUnreadable(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EISDIR') return 'is a directory';
  if (code === 'EACCES') return 'may not be read by this user';
  return `cannot be read (${code ?? String(error)})`;
}
