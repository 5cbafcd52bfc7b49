/** What can be done with one feature as a whole: one menu for all rows, opened where it was asked for. */
import { Menu, Text } from '@mantine/core';
import {
  IconBraces,
  IconClipboard,
  IconHelpCircle,
  IconHistory,
  IconPencil,
  IconTable,
  IconTrash,
  IconZoomCode,
} from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { call } from '@/api/client';
import { invalidate } from '@/api/hooks';
import type { Application } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { isAnyPortfolioAdmin, mayDeleteFeatures, mayEditFeatures } from '@/app/permissions';
import { useMe } from '@/app/session';
import { ConfirmDialog, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { useOpenFeature } from '../editor/EditorDrawer';
import { TABLE } from '../model/saving';
import type { GridFeature } from '../dashboard/table';
import { EditFeature, EditMetadata } from './EditFeature';

export interface MenuRequest {
  feature: GridFeature;
  at: DOMRect;
}

type Dialog = 'edit' | 'metadata' | 'delete';

interface FeatureMenuProps {
  application: Application;
  request: MenuRequest | null;
  onClose: () => void;
}

export function FeatureMenu({ application, request, onClose }: FeatureMenuProps) {
  const [dialog, setDialog] = useState<{ kind: Dialog; feature: GridFeature } | null>(null);
  const me = useMe();
  const mayEdit = mayEditFeatures(me, application.id, application.portfolioId);
  const close = () => setDialog(null);
  return (
    <>
      {request === null ? null : (
        <Opened
          application={application}
          request={request}
          onClose={onClose}
          onDialog={(kind) => setDialog({ kind, feature: request.feature })}
        />
      )}
      {dialog?.kind === 'edit' ? (
        <EditFeature application={application} featureKey={dialog.feature.key} readOnly={!mayEdit} onClose={close} />
      ) : null}
      {dialog?.kind === 'metadata' ? (
        <EditMetadata application={application} featureKey={dialog.feature.key} readOnly={!mayEdit} onClose={close} />
      ) : null}
      {dialog?.kind === 'delete' ? (
        <DeleteFeature application={application} feature={dialog.feature} onClose={close} />
      ) : null}
    </>
  );
}

interface OpenedProps {
  application: Application;
  request: MenuRequest;
  onClose: () => void;
  onDialog: (kind: Dialog) => void;
}

function Opened({ application, request, onClose, onDialog }: OpenedProps) {
  const t = useTexts().features.menu;
  const me = useMe();
  const notify = useNotify();
  const open = useOpenFeature();
  const { feature, at } = request;
  const mayEdit = mayEditFeatures(me, application.id, application.portfolioId);
  const copy = () => {
    // Only there where the page came encrypted or from this machine; else people copy it by hand.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    if (clipboard === undefined) notify.success(feature.key);
    else clipboard.writeText(feature.key).then(() => notify.success(t.keyCopied), notify.failure);
  };
  useEffect(() => {
    // The focus comes into the menu a moment after it is seen; an Escape before that means the menu as well.
    const leave = (event: KeyboardEvent) => event.key === 'Escape' && onClose();
    window.addEventListener('keydown', leave);
    return () => window.removeEventListener('keydown', leave);
  }, [onClose]);
  return (
    <Menu
      opened
      onClose={onClose}
      position="bottom-start"
      withinPortal
      returnFocus={false}
      // Without keys, which are among them otherwise: the one that opens it would close it again at once.
      clickOutsideEvents={['mousedown', 'touchstart']}
    >
      <Menu.Target>
        <span
          aria-hidden
          style={{
            position: 'fixed',
            left: at.left,
            top: at.top,
            width: at.width,
            height: at.height,
            pointerEvents: 'none',
          }}
        />
      </Menu.Target>
      <Menu.Dropdown aria-label={feature.name}>
        <Menu.Label>{feature.name}</Menu.Label>
        <Menu.Item leftSection={<IconTable size={16} />} onClick={() => open(feature.key)}>
          {t.open}
        </Menu.Item>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => onDialog('edit')}>
          {mayEdit ? t.edit : t.details}
        </Menu.Item>
        <Menu.Item leftSection={<IconBraces size={16} />} onClick={() => onDialog('metadata')}>
          {t.metadata}
        </Menu.Item>
        <Menu.Item leftSection={<IconClipboard size={16} />} onClick={copy}>
          {t.copyKey}
        </Menu.Item>
        <Menu.Item
          leftSection={<IconHistory size={16} />}
          onClick={() => open(feature.key, undefined, { history: 'yes' })}
        >
          {t.history}
        </Menu.Item>
        <Menu.Item
          leftSection={<IconHelpCircle size={16} />}
          component={AppLink}
          to="/playground"
          search={{ feature: feature.key }}
        >
          {t.why}
        </Menu.Item>
        {isAnyPortfolioAdmin(me) ? (
          <Menu.Item
            leftSection={<IconZoomCode size={16} />}
            component={AppLink}
            to="/audit"
            search={{ feature: feature.id }}
          >
            {t.audit}
          </Menu.Item>
        ) : null}
        {mayDeleteFeatures(me, application.id, application.portfolioId) ? (
          <>
            <Menu.Divider />
            <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => onDialog('delete')}>
              {t.delete}
            </Menu.Item>
          </>
        ) : null}
      </Menu.Dropdown>
    </Menu>
  );
}

function DeleteFeature({
  application,
  feature,
  onClose,
}: {
  application: Application;
  feature: GridFeature;
  onClose: () => void;
}) {
  const t = useTexts();
  const words = t.features.remove;
  const client = useQueryClient();
  const notify = useNotify();
  const remove = async () => {
    await call('deleteFeatureForApplication', { params: { id: application.id, key: feature.key } });
    await invalidate(client, TABLE, 'getAllFeaturesForApplication', 'summaryApplication', 'findApplications');
    notify.success(words.done(feature.name));
  };
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={words.title(feature.name)}
      confirmLabel={t.common.delete}
      typed={feature.key}
      onConfirm={remove}
    >
      <Text size="sm">{words.text}</Text>
    </ConfirmDialog>
  );
}
