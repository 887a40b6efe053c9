/** What all formats have in common whose rows get their metadata by their numbers. */
export const numbered = {
  isNumbered: true,
  forcedSettings: {},
  decodeText: (expression: string): string => expression,
  decodeList: (expression: string): string => expression,
  listType: 'Array(String)',
} as const;
