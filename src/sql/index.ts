/** The door of the SQL room: reading, searching and editing the text of statements. No input or output. */
export type * from './ast.ts';
export { parseStatement, type ParseResult } from './parse.ts';
export { quoteIdentifier, quoteIdentifierIfNeeded, quoteString } from './quote.ts';
export { insertAt, removeSpan, replaceSpan, splice, textOf, type Edit } from './splice.ts';
export { blankLiterals } from './blank.ts';
export { declaredElements, type DeclaredElement } from './columns.ts';
export { sourceOf, withoutOutput, type InsertSource } from './insert-source.ts';
export { identifiersIn, mentionsIdentifier, mentionsKafkaEngine, mentionsParallelWith } from './mentions.ts';
export { readExplainAst, readViewQuery, type ViewQuery } from './view-query.ts';
export { firstWords, type FirstWords } from './words.ts';
