/** The shared components. Areas take them from here. */
export { Ago, Moment } from './Ago';
export { ConfirmDialog, FormDialog } from './dialogs';
export { CopyField, CopyIcon } from './CopyField';
export { type Column, DataTable, type Paging, type Sort } from './DataTable';
export { Diff } from './Diff';
export { EmptyState, NothingFound } from './EmptyState';
export { Failure, wordsOf } from './Failure';
export { JsonEditor } from './JsonEditor';
export { Loading } from './Loading';
export { useNotify } from './notify';
export { NewPassword } from './NewPassword';
export { Page } from './Page';
export { SearchBox } from './SearchBox';
export { TypeIcon, useTypeName } from './TypeIcon';
export { ChangedMark } from './ChangedMark';
export { Propagation, usePropagation } from './Propagation';
