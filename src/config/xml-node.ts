import { DOMParser, onErrorStopParsing, ParseError, type Element, type Node } from '@xmldom/xmldom';
import type { RawNode } from './raw-node.ts';

export type XmlFile = { readonly ok: true; readonly root: RawNode } | { readonly ok: false; readonly problem: string };

/** The root element of the XML file `path` with its text `xml`. Never throws. */
export function parseXml(path: string, xml: string): XmlFile {
  try {
    const { documentElement: root } = new DOMParser({ onError: onErrorStopParsing }).parseFromString(xml, 'text/xml');
    return root === null ? notXml(path, 'it has no element') : { ok: true, root: nodeOf(root, path) };
  } catch (error) {
    if (!(error instanceof ParseError)) return notXml(path, error instanceof Error ? error.message : String(error));
    const { lineNumber } = (error.locator ?? {}) as { readonly lineNumber?: number };
    return notXml(lineNumber === undefined ? path : `${path} line ${lineNumber}`, withoutReporter(error.message));
  }
}

function withoutReporter(message: string): string {
  return message.replace(/^Reporting \w+ "(.*)" caused onErrorStopParsing$/s, '$1');
}

function notXml(where: string, why: string): XmlFile {
  return { ok: false, problem: `${where} is not valid XML: ${why.replace(/\.$/, '')}.` };
}

function nodeOf(element: Element, path: string): RawNode {
  const elements = [...element.childNodes].filter(isElement);
  const attributes = [...element.attributes].map(({ name, value }) => [name, value] as const);
  return {
    // As the server's parser: the text of an element, comments left out.
    text: elements.length > 0 ? '' : (element.textContent ?? '').trim(),
    children: elements.map((one) => [one.tagName, nodeOf(one, path)] as const),
    attributes: Object.fromEntries(attributes),
    origin: `${path} line ${element.lineNumber}`,
  };
}

function isElement(node: Node): node is Element {
  return node.nodeType === node.ELEMENT_NODE;
}
