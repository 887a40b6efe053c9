/**
 * A form with external tables (`multipart/form-data`): its fields `query` end the statement that the URL begins.
 * Read as the server does (`HTMLForm.cpp`, tried on 26.7): fields are joined by nothing, parts with a file name are tables whatever their name,
 * lines end with CR LF, and whatever begins with the boundary is one.
 */
export interface FormText {
  /** The fields' texts, joined. */
  readonly text: Buffer;
  /** Where they stand in the form, from its first byte: start and end. */
  readonly spans: readonly (readonly [start: number, end: number])[];
  /** The form ends in the middle of such a field. */
  readonly isCutOff: boolean;
}

const CRLF = '\r\n';

/** The boundary that a `Content-Type` names; undefined when there is none, which the server refuses. */
export function boundaryOf(contentType: string): string | undefined {
  const [, quoted, plain] = /;\s*boundary\s*=\s*(?:"([^"]+)"|([^;\s"]+))/i.exec(contentType) ?? [];
  return quoted ?? plain;
}

/** The fields `query` in the beginning `form` of a form. */
export function readFormText(form: Buffer, boundary: string): FormText {
  const spans: [number, number][] = [];
  const delimiter = `--${boundary}`;
  let isCutOff = false;
  let at = form.subarray(0, delimiter.length).toString('latin1') === delimiter ? 0 : after(form, CRLF + delimiter, 0) - delimiter.length;
  while (at >= 0) {
    const headStart = after(form, CRLF, at);
    const start = after(form, CRLF + CRLF, headStart - CRLF.length);
    if (headStart < 0 || start < 0) break;
    const end = form.indexOf(CRLF + delimiter, start - CRLF.length);
    if (isQueryField(form.toString('latin1', headStart, start))) {
      spans.push([start, Math.max(start, end === -1 ? form.length : end)]);
      isCutOff = end === -1;
    }
    at = end === -1 ? -1 : end + CRLF.length;
  }
  return { text: Buffer.concat(spans.map(([start, end]) => form.subarray(start, end))), spans, isCutOff };
}

/** The form without the texts of its fields `query`. */
export function withoutFormText(form: Buffer, { spans }: FormText): Buffer {
  const starts = [0, ...spans.map(([, end]) => end)];
  return Buffer.concat(starts.map((start, i) => form.subarray(start, spans[i]?.[0] ?? form.length)));
}

/** The index behind the next `text`; negative when there is none. */
function after(form: Buffer, text: string, from: number): number {
  const at = from < 0 ? -1 : form.indexOf(text, from, 'latin1');
  return at === -1 ? Number.NEGATIVE_INFINITY : at + text.length;
}

const PARAMETER = /;\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g;

function isQueryField(head: string): boolean {
  const [, disposition = ''] = /^content-disposition:(.*)$/im.exec(head) ?? [];
  const parameters = new Map(
    [...disposition.matchAll(PARAMETER)].map(([, name = '', quoted, plain = '']) => [name.toLowerCase(), quoted ?? plain]),
  );
  return parameters.get('name') === 'query' && !parameters.has('filename');
}
