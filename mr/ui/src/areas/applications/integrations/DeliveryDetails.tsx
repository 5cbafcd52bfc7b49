import { Box, Code, Stack, Table, Text } from '@mantine/core';
import { useApi } from '@/api/hooks';
import { Failure, Loading } from '@/kit';
import { Moment } from '@/kit/Ago';
import { useTexts } from '@/texts';

/** One message with its last answer. Secrets are masked by the server. */
export function DeliveryDetails({ environmentId, id }: { environmentId: string; id: string }) {
  const t = useTexts().applications.deliveries;
  const detail = useApi('getWebhookDetails', { envId: environmentId, id });
  if (detail.isPending) return <Loading />;
  if (detail.error) return <Failure error={detail.error} onRetry={() => void detail.refetch()} />;
  const { whenSent, method, url, status, result, outboundHeaders, incomingHeaders, content } = detail.data;
  return (
    <Stack gap="md">
      <Pairs
        label={t.details}
        pairs={[
          [t.when, whenSent === undefined ? '' : <Moment key="when" time={whenSent} />],
          [t.method, method],
          [t.url, url ?? ''],
          [t.status, status === 0 ? t.unreachable : String(status)],
        ]}
      />
      {result !== undefined && result !== '' && <Block label={t.result} text={result} />}
      <HeaderTable label={t.outbound} headers={outboundHeaders} />
      <HeaderTable label={t.incoming} headers={incomingHeaders} />
      {content !== undefined && <Block label={t.content} text={pretty(content)} />}
    </Stack>
  );
}

function HeaderTable({ label, headers }: { label: string; headers: Record<string, string> | undefined }) {
  if (headers === undefined || Object.keys(headers).length === 0) return null;
  return (
    <Box>
      <Text fw={600} size="sm" mb={4}>
        {label}
      </Text>
      <Pairs label={label} pairs={Object.entries(headers)} />
    </Box>
  );
}

function Pairs({ label, pairs }: { label: string; pairs: readonly (readonly [string, React.ReactNode])[] }) {
  return (
    <Table aria-label={label} verticalSpacing={4} layout="fixed">
      <Table.Tbody>
        {pairs.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" w={170} fw={500}>
              {name}
            </Table.Th>
            <Table.Td style={{ overflowWrap: 'anywhere' }}>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Block({ label, text }: { label: string; text: string }) {
  return (
    <Box>
      <Text fw={600} size="sm" mb={4}>
        {label}
      </Text>
      <Code block tabIndex={0} aria-label={label} mah={360} style={{ overflow: 'auto' }}>
        {text}
      </Code>
    </Box>
  );
}

function pretty(content: string): string {
  try {
    return JSON.stringify(JSON.parse(content), null, 2);
  } catch {
    // Not JSON: shown as it is.
    return content;
  }
}
