/** An answer as one piece. */
export async function readAll(answer: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // Each stands in memory that the next one overwrites.
  for await (const piece of answer) pieces.push(Buffer.from(piece));
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}
