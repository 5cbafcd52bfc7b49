/**
 * The strategy editor as other areas use it.
 *
 * `newStrategy()` or `fromWire(strategy)` makes a draft, `StrategyEditor` (in a page) or `StrategyDialog`
 * edits it, `strategyFault(draft) === null` says that it can be saved, `toWire(draft)` is the body without a
 * value. `violationTexts` turns the server's refusal into what the editor shows.
 */
export {
  type ConditionDraft,
  EVERYBODY,
  formatPercent,
  fromWire,
  newStrategy,
  parsePercent,
  sameStrategy,
  type StrategyDraft,
  toWire,
} from './draft';
export { exceedsEverybody, strategyFault } from './rules';
export { StrategyDialog, type StrategyDialogProps } from './StrategyDialog';
export { StrategyEditor, type StrategyEditorProps } from './StrategyEditor';
export { violationTexts } from './violations';
export { conditionWords, strategyWords } from './words';
