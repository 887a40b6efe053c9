/** An element of a configuration file, whatever its syntax; values from the environment are put in. */
export interface ConfigNode {
  /** Of an element without children; '' for an empty one. */
  readonly text: string;
  /** In their order; a name may come again. */
  readonly children: readonly (readonly [name: string, node: ConfigNode])[];
  /** False: named collection, which says that a statement must not give another value. */
  readonly overridable?: boolean;
  /** Where it stands, in words that follow "from". */
  readonly origin: string;
}

export function isLeaf({ children }: ConfigNode): boolean {
  return children.length === 0;
}
