export const insight = {
  changedBy: (name: string) => `Changed by ${name} just now`,
  propagation: {
    waiting: 'On its way to SDKs…',
    noEdges: 'Saved. No Edge reports, so nobody knows how far it came.',
    late: '· some take longer',
    live: (edges: string, streams: string, slowest: number | undefined) =>
      `Live on ${edges}, ${streams}${slowest === undefined ? '' : `, slowest ${Math.round(slowest)} ms`}`,
    edges: (live: number, total: number) => `${live} of ${total} ${total === 1 ? 'Edge' : 'Edges'}`,
    streams: (reached: number, total: number) => `${reached} of ${total} ${total === 1 ? 'stream' : 'streams'}`,
  },
};
