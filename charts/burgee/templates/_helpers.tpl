{{/* The prefix of the names of all objects. */}}
{{- define "burgee.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that select: they never change. Takes a list: root, component. */}}
{{- define "burgee.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object. Takes a list: root, component. */}}
{{- define "burgee.labels" -}}
{{- $root := index . 0 -}}
{{ include "burgee.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: burgee
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Annotations of an object: those of all, and more. Takes a list: root, more. */}}
{{- define "burgee.annotations" -}}
{{- $all := merge (dict) (index . 1) (index . 0).Values.commonAnnotations -}}
{{- if $all }}
annotations:
  {{- toYaml $all | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "burgee.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "burgee.secret" -}}
{{- default (printf "%s-secrets" (include "burgee.fullname" .)) .Values.secrets.existingSecret -}}
{{- end -}}

{{/* True where there is a PostgreSQL; an SQLite file serves otherwise. */}}
{{- define "burgee.postgresql" -}}
{{- if or .Values.database.url .Values.database.existingSecret .Values.postgresql.enabled -}}true{{- end -}}
{{- end -}}

{{- define "burgee.databaseSecret" -}}
{{- default (printf "%s-database" (include "burgee.fullname" .)) .Values.database.existingSecret -}}
{{- end -}}

{{- define "burgee.bus" -}}
{{- if or .Values.nats.urls .Values.nats.evaluation.enabled -}}true{{- end -}}
{{- end -}}

{{/* The internal API that Dacha asks: this release's, or that of an MR that runs elsewhere. */}}
{{- define "burgee.mrUrl" -}}
{{- default (printf "http://%s-mr-internal:8086" (include "burgee.fullname" .)) .Values.mrUrl -}}
{{- end -}}

{{/* The key of the tokens that are accepted. Takes a list: root, who presents them. */}}
{{- define "burgee.acceptedTokens" -}}
{{- printf "%s-%s" (index . 1) (ternary "tokens" "token" (index . 0).Values.secrets.acceptedTokens) -}}
{{- end -}}

{{- define "burgee.natsUrls" -}}
{{- if .Values.nats.evaluation.enabled -}}
nats://{{ include "burgee.fullname" . }}-nats:4222
{{- else -}}
{{ join "," .Values.nats.urls }}
{{- end -}}
{{- end -}}

{{- define "burgee.natsPasswordsSecret" -}}
{{- if .Values.nats.evaluation.enabled -}}
{{ include "burgee.fullname" . }}-nats
{{- else -}}
{{ .Values.nats.passwordsSecret }}
{{- end -}}
{{- end -}}

{{- define "burgee.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{ .Values.publicUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
{{ ternary "https" "http" (not (empty .Values.ingress.tls)) }}://{{ first .Values.ingress.hosts }}
{{- else if and .Values.gateway.enabled .Values.gateway.hostnames -}}
https://{{ first .Values.gateway.hostnames }}
{{- end -}}
{{- end -}}

{{/*
The kinds of processes that run, as YAML: name, key (of its values), port, and what they are.
*/}}
{{- define "burgee.components" -}}
{{- $t := .Values.topology -}}
{{- if eq $t "split" }}
{{- if .Values.mr.enabled }}
- {name: mr, key: mr, port: 8085, management: true, database: true, internal: true, bus: mr}
{{- end }}
{{- if .Values.dacha.enabled }}
- {name: dacha, key: dacha, port: 8902, bus: dacha, cache: true}
{{- end }}
{{- if .Values.edge.enabled }}
- {name: edge, key: edge, port: 8553, sdk: true, streams: true, bus: edge, cache: true}
{{- end }}
{{- else if eq $t "party" }}
- {name: party, key: party, port: 8085, management: true, database: true, sdk: true, streams: true, bus: party}
{{- else }}
- {name: party-ish, key: partyIsh, port: 8085, management: true, database: true, sdk: true}
{{- end }}
{{- if .Values.edgeRest.enabled }}
- {name: edge-rest, key: edgeRest, port: 8553, database: true, sdk: true, rest: true}
{{- end }}
{{- end -}}

{{/* The component that people talk to; none where MR runs elsewhere. */}}
{{- define "burgee.people" -}}
{{- if ne .Values.topology "split" -}}{{ .Values.topology }}
{{- else if .Values.mr.enabled -}}mr
{{- end -}}
{{- end -}}

{{/* The component that SDKs talk to, and its port. */}}
{{- define "burgee.sdk" -}}
{{- if ne .Values.topology "split" -}}{{ .Values.topology }}
{{- else if .Values.edge.enabled -}}edge
{{- else if .Values.edgeRest.enabled -}}edge-rest
{{- end -}}
{{- end -}}

{{- define "burgee.sdkPort" -}}
{{- if eq .Values.topology "split" -}}8553{{- else -}}8085{{- end -}}
{{- end -}}

{{/* What cannot work is said before anything is made. */}}
{{- define "burgee.faults" -}}
{{- $faults := list -}}
{{- $pg := include "burgee.postgresql" . -}}
{{- $split := eq .Values.topology "split" -}}
{{- if and $split .Values.mr.enabled (not $pg) -}}
{{- $faults = append $faults "topology split needs PostgreSQL: set database.url or database.existingSecret (or postgresql.enabled=true to try it)" -}}
{{- end -}}
{{- if and $split (or .Values.dacha.enabled .Values.edge.enabled) (not (include "burgee.bus" .)) -}}
{{- $faults = append $faults "topology split needs NATS: set nats.urls (or nats.evaluation.enabled=true to try it)" -}}
{{- end -}}
{{- if and $split .Values.dacha.enabled (not .Values.mr.enabled) (not .Values.mrUrl) -}}
{{- $faults = append $faults "dacha without mr needs mrUrl, the internal API of the MR that runs elsewhere" -}}
{{- end -}}
{{- if and .Values.mrUrl (not .Values.secrets.existingSecret) -}}
{{- $faults = append $faults "mrUrl needs secrets.existingSecret: the event key and the tokens are those of the other release" -}}
{{- end -}}
{{- if and .Values.mrUrl $split .Values.mr.enabled -}}
{{- $faults = append $faults "mrUrl is for a release without mr: set mr.enabled=false" -}}
{{- end -}}
{{- if not (include "burgee.components" . | fromYamlArray) -}}
{{- $faults = append $faults "nothing would run: enable mr, dacha, edge or edgeRest" -}}
{{- end -}}
{{- if and .Values.nats.urls .Values.nats.evaluation.enabled -}}
{{- $faults = append $faults "nats.urls and nats.evaluation.enabled exclude each other" -}}
{{- end -}}
{{- if and .Values.nats.passwordsSecret .Values.nats.credentialsSecret -}}
{{- $faults = append $faults "nats.passwordsSecret and nats.credentialsSecret exclude each other" -}}
{{- end -}}
{{- if and .Values.postgresql.enabled (or .Values.database.url .Values.database.existingSecret) -}}
{{- $faults = append $faults "postgresql.enabled excludes database.url and database.existingSecret" -}}
{{- end -}}
{{- if and .Values.database.url .Values.database.existingSecret -}}
{{- $faults = append $faults "database.url and database.existingSecret exclude each other" -}}
{{- end -}}
{{- if not $pg -}}
{{- range $key := list "party" "partyIsh" -}}
{{- $one := index $.Values $key -}}
{{- if and (eq $.Values.topology (ternary "party" "party-ish" (eq $key "party"))) (or (gt (int $one.replicas) 1) $one.autoscaling.enabled) -}}
{{- $faults = append $faults (printf "%s with more than one pod needs PostgreSQL: set database.url or database.existingSecret" $key) -}}
{{- end -}}
{{- end -}}
{{- if .Values.edgeRest.enabled -}}
{{- $faults = append $faults "edgeRest needs PostgreSQL: set database.url or database.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- $faults = append $faults "ingress.enabled needs ingress.hosts" -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- $faults = append $faults "gateway.enabled needs gateway.parentRefs" -}}
{{- end -}}
{{- range $c := include "burgee.components" . | fromYamlArray -}}
{{- $v := index $.Values $c.key -}}
{{- range $own := include "burgee.ownEnv" (dict "root" $ "component" $c "values" $v) | fromYamlArray -}}
{{- if hasKey (merge (dict) $v.env $.Values.commonEnv) $own.name -}}
{{- $faults = append $faults (printf "%s.env (or commonEnv) has %s, which other values of the chart set" $c.key $own.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\nThese values cannot work:\n- %s\n" (join "\n- " $faults)) -}}
{{- end -}}
{{- end -}}

{{/* The service account of a component. Takes a list: root, component. */}}
{{- define "burgee.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.serviceAccount.name -}}
{{ $root.Values.serviceAccount.name }}
{{- else if $root.Values.serviceAccount.create -}}
{{ include "burgee.fullname" $root }}-{{ index . 1 }}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* One entry of an environment from a Secret. Takes a list: name, secret, key. */}}
{{- define "burgee.fromSecret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- end -}}
