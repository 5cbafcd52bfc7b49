{{/* The settings of a component that the chart knows. Takes a dict: root, component, values. */}}
{{- define "burgee.ownEnv" -}}
{{- $root := .root -}}{{- $c := .component -}}{{- $v := .values -}}
- {name: BURGEE_HOST, value: "0.0.0.0"}
- {name: BURGEE_PORT, value: {{ $c.port | quote }}}
- {name: BURGEE_MONITOR_PORT, value: "8701"}
- {name: BURGEE_DRAIN_SECONDS, value: {{ $v.drainSeconds | quote }}}
- {name: BURGEE_LOG_LEVEL, value: {{ $root.Values.log.level | quote }}}
- {name: BURGEE_LOG_FORMAT, value: {{ $root.Values.log.format | quote }}}
{{- if $c.database }}
{{- if include "burgee.postgresql" $root }}
{{ include "burgee.fromSecret" (list "BURGEE_DATABASE_URL" (include "burgee.databaseSecret" $root) $root.Values.database.existingSecretKey) }}
- {name: BURGEE_DATABASE_POOL_SIZE, value: {{ $root.Values.database.poolSize | quote }}}
{{- end }}
- {name: BURGEE_DATA_DIR, value: /var/lib/burgee}
{{- end }}
{{- if and $c.bus (include "burgee.bus" $root) }}
- {name: BURGEE_CLUSTER, value: {{ $root.Values.cluster | quote }}}
- {name: BURGEE_NATS_URLS, value: {{ include "burgee.natsUrls" $root | quote }}}
{{ include "burgee.fromSecret" (list "BURGEE_EVENT_KEY" (include "burgee.secret" $root) "event-key") }}
{{- if include "burgee.natsPasswordsSecret" $root }}
- {name: BURGEE_NATS_USER, value: {{ $c.bus }}}
{{ include "burgee.fromSecret" (list "BURGEE_NATS_PASSWORD" (include "burgee.natsPasswordsSecret" $root) (printf "%s-password" $c.bus)) }}
{{- else if $root.Values.nats.credentialsSecret }}
- {name: BURGEE_NATS_CREDENTIALS_FILE, value: /etc/burgee/nats/{{ $c.bus }}.creds}
{{- end }}
{{- if $root.Values.nats.tlsSecret }}
- {name: BURGEE_NATS_CA_FILE, value: /etc/burgee/nats-tls/ca.crt}
{{- if $root.Values.nats.tlsClientCertificate }}
- {name: BURGEE_NATS_CERT_FILE, value: /etc/burgee/nats-tls/tls.crt}
- {name: BURGEE_NATS_KEY_FILE, value: /etc/burgee/nats-tls/tls.key}
{{- end }}
{{- end }}
{{- end }}
{{- if $c.management }}
{{- with include "burgee.publicUrl" $root }}
- {name: BURGEE_PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
- {name: BURGEE_LOCAL_SIGN_IN, value: {{ $root.Values.signIn.local | quote }}}
{{- if $root.Values.signIn.existingSecret }}
- {name: BURGEE_SIGN_IN_FILE, value: /etc/burgee/sign-in/sign-in.toml}
{{- end }}
- name: BURGEE_ENCRYPTION_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "burgee.secret" $root }}
      key: encryption-password
      optional: true
{{- end }}
{{- if $c.internal }}
- {name: BURGEE_INTERNAL_PORT, value: "8086"}
{{ include "burgee.fromSecret" (list "BURGEE_DACHA_TOKENS" (include "burgee.secret" $root) (include "burgee.acceptedTokens" (list $root "dacha"))) }}
{{ include "burgee.fromSecret" (list "BURGEE_EDGE_TOKENS" (include "burgee.secret" $root) (include "burgee.acceptedTokens" (list $root "edge"))) }}
{{- end }}
{{- if eq $c.name "dacha" }}
- {name: BURGEE_MR_URL, value: {{ include "burgee.mrUrl" $root | quote }}}
{{ include "burgee.fromSecret" (list "BURGEE_INTERNAL_TOKEN" (include "burgee.secret" $root) "dacha-token") }}
{{ include "burgee.fromSecret" (list "BURGEE_EDGE_TOKENS" (include "burgee.secret" $root) (include "burgee.acceptedTokens" (list $root "edge"))) }}
- {name: BURGEE_FILL, value: {{ $v.fill | quote }}}
{{- end }}
{{- if eq $c.name "edge" }}
- {name: BURGEE_EDGE_WORKERS, value: {{ $v.workers | quote }}}
{{- end }}
{{- if and $c.rest $v.replicaSecret }}
{{ include "burgee.fromSecret" (list "BURGEE_DATABASE_REPLICA_URL" $v.replicaSecret $v.replicaSecretKey) }}
{{- end }}
{{- if and $c.cache $v.state.enabled }}
- {name: BURGEE_STATE_DIR, value: /var/lib/burgee/state}
{{- end }}
{{- with $root.Values.tracing.endpoint }}
- {name: BURGEE_TRACE_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- with $root.Values.trustedProxies }}
- {name: BURGEE_TRUSTED_PROXIES, value: {{ join "," . | quote }}}
{{- end }}
{{- end -}}

{{/* All settings of a component; its own win over those of all. Takes a dict: root, component, values. */}}
{{- define "burgee.env" -}}
{{ include "burgee.ownEnv" . }}
{{- range $key, $value := merge (dict) .values.env .root.Values.commonEnv }}
- {name: {{ $key }}, value: {{ $value | quote }}}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Volumes of a component. Takes a dict: root, component, values. */}}
{{- define "burgee.volumes" -}}
{{- $root := .root -}}{{- $c := .component -}}{{- $v := .values -}}
- {name: tmp, emptyDir: {}}
{{- if and $c.database (not (include "burgee.postgresql" $root)) }}
- name: data
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-data" (include "burgee.fullname" $root)) $root.Values.database.volume.existingClaim }}
{{- else if $c.database }}
- {name: data, emptyDir: {}}
{{- else if and $c.cache $v.state.enabled }}
- name: data
  emptyDir: {sizeLimit: {{ $v.state.sizeLimit }}}
{{- end }}
{{- if and $c.management $root.Values.signIn.existingSecret }}
- name: sign-in
  secret: {secretName: {{ $root.Values.signIn.existingSecret }}, defaultMode: 288}
{{- end }}
{{- if and $c.bus (include "burgee.bus" $root) }}
{{- if $root.Values.nats.credentialsSecret }}
- name: nats-credentials
  secret: {secretName: {{ $root.Values.nats.credentialsSecret }}, defaultMode: 288}
{{- end }}
{{- if $root.Values.nats.tlsSecret }}
- name: nats-tls
  secret: {secretName: {{ $root.Values.nats.tlsSecret }}, defaultMode: 288}
{{- end }}
{{- end }}
{{- with $v.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "burgee.mounts" -}}
{{- $root := .root -}}{{- $c := .component -}}{{- $v := .values -}}
- {name: tmp, mountPath: /tmp}
{{- if or $c.database (and $c.cache $v.state.enabled) }}
- {name: data, mountPath: /var/lib/burgee}
{{- end }}
{{- if and $c.management $root.Values.signIn.existingSecret }}
- {name: sign-in, mountPath: /etc/burgee/sign-in, readOnly: true}
{{- end }}
{{- if and $c.bus (include "burgee.bus" $root) }}
{{- if $root.Values.nats.credentialsSecret }}
- {name: nats-credentials, mountPath: /etc/burgee/nats, readOnly: true}
{{- end }}
{{- if $root.Values.nats.tlsSecret }}
- {name: nats-tls, mountPath: /etc/burgee/nats-tls, readOnly: true}
{{- end }}
{{- end }}
{{- with $v.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The Deployment of a component. Takes a dict: root, component, values. */}}
{{- define "burgee.deployment" -}}
{{- $root := .root -}}{{- $c := .component -}}{{- $v := .values -}}
{{- $name := printf "%s-%s" (include "burgee.fullname" $root) $c.name -}}
{{- $onFile := and $c.database (not (include "burgee.postgresql" $root)) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "burgee.labels" (list $root $c.name) | nindent 4 }}
  {{- include "burgee.annotations" (list $root (dict)) | nindent 2 }}
spec:
  {{- if not $v.autoscaling.enabled }}
  replicas: {{ $v.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  {{- if $onFile }}
  # One writer at a time: the database is a file on a volume.
  strategy: {type: Recreate}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  {{- end }}
  selector:
    matchLabels:
      {{- include "burgee.selector" (list $root $c.name) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "burgee.labels" (list $root $c.name) | nindent 8 }}
        {{- with $v.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        # Pods roll when what they read at their start changes.
        checksum/secrets: {{ include (print $root.Template.BasePath "/secrets.yaml") $root | sha256sum }}
        {{- with $v.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "burgee.serviceAccount" (list $root $c.name) }}
      automountServiceAccountToken: false
      # Names such as BURGEE_PORT=tcp://… stay out of the environment.
      enableServiceLinks: false
      # The drain, what is left of open requests, and a margin.
      terminationGracePeriodSeconds: {{ add $v.drainSeconds 20 }}
      securityContext:
        {{- toYaml $root.Values.podSecurityContext | nindent 8 }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with $v.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- if not $onFile }}
      topologySpreadConstraints:
        {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ $key }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "burgee.selector" (list $root $c.name) | nindent 14 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ $c.name }}
          image: {{ include "burgee.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [{{ $c.name | quote }}]
          env:
            {{- include "burgee.env" . | nindent 12 }}
          {{- with $v.envFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - {name: http, containerPort: {{ $c.port }}}
            - {name: monitor, containerPort: 8701}
            {{- if $c.internal }}
            - {name: internal, containerPort: 8086}
            {{- end }}
          # Has it come up: as long as a first migration or an eager fill may take.
          startupProbe:
            httpGet: {path: /health/liveness, port: monitor}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 150
          # Does its loop turn: never asks whether others are there, or one outage would restart all.
          livenessProbe:
            httpGet: {path: /health/liveness, port: monitor}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          # Is it worth asking: false while it loads and while it drains.
          readinessProbe:
            httpGet: {path: /health/readiness, port: monitor}
            periodSeconds: 3
            timeoutSeconds: 3
            failureThreshold: 2
          lifecycle:
            preStop:
              # Endpoints are told at the same time as the pod: new connections come for a moment still.
              exec: {command: [python, -c, "import time; time.sleep(3)"]}
          resources:
            {{- toYaml $v.resources | nindent 12 }}
          securityContext:
            {{- toYaml $root.Values.securityContext | nindent 12 }}
          volumeMounts:
            {{- include "burgee.mounts" . | nindent 12 }}
        {{- with $v.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
        {{- include "burgee.volumes" . | nindent 8 }}
      {{- with $v.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
