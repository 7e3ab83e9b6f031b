{{/* Names, labels and addresses. */}}

{{- define "plateline.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{/* What stands on every object; `component` is one of the six services or what a job is for. */}}
{{- define "plateline.labels" -}}
{{ include "plateline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: plateline
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "plateline.selector" -}}
app.kubernetes.io/name: plateline
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* The image of a service or of the command: by digest where one is named. */}}
{{- define "plateline.image" -}}
{{- $values := .root.Values.image -}}
{{- $name := printf "%splateline/%s" (ternary "" (printf "%s/" (trimSuffix "/" $values.registry)) (empty $values.registry)) .image -}}
{{- $digest := get $values.digests .image -}}
{{- if $digest }}{{ $name }}@{{ $digest }}{{ else }}{{ $name }}:{{ default .root.Chart.AppVersion $values.tag }}{{ .suffix }}{{ end -}}
{{- end }}

{{- define "plateline.database.host" -}}
{{- if .Values.database.bundled.enabled }}{{ include "plateline.name" . }}-postgres{{ else }}{{ .Values.database.host }}{{ end -}}
{{- end }}

{{/* Whose certificates are believed: what is bundled brings its authority beside its own certificate. */}}
{{- define "plateline.database.caSecret" -}}
{{- if .Values.database.bundled.enabled }}{{ .Values.database.bundled.tlsSecret }}{{ else }}{{ .Values.database.caSecret }}{{ end -}}
{{- end }}

{{- define "plateline.objects.caSecret" -}}
{{- if .Values.objects.bundled.enabled }}{{ .Values.objects.bundled.tlsSecret }}{{ else }}{{ .Values.objects.caSecret }}{{ end -}}
{{- end }}

{{- define "plateline.kafka.bootstrap" -}}
{{- if .Values.kafka.strimzi.cluster.create }}{{ .Values.kafka.strimzi.clusterName }}-kafka-bootstrap:9093{{ else }}{{ .Values.kafka.bootstrap }}{{ end -}}
{{- end }}

{{- define "plateline.kafka.caSecret" -}}
{{- if .Values.kafka.strimzi.cluster.create }}{{ .Values.kafka.strimzi.clusterName }}-cluster-ca-cert{{ else }}{{ .Values.kafka.caSecret }}{{ end -}}
{{- end }}

{{- define "plateline.kafka.userSecret" -}}
{{- default .principal (get .root.Values.kafka.userSecrets .principal) -}}
{{- end }}

{{- define "plateline.objects.endpoint" -}}
{{- if .Values.objects.bundled.enabled }}https://{{ include "plateline.name" . }}-objects:7070{{ else }}{{ .Values.objects.endpoint }}{{ end -}}
{{- end }}

{{/* When hooks run that need the database: one that the chart itself brings is not there before an install. */}}
{{- define "plateline.hook.before" -}}
{{- if .Values.database.bundled.enabled }}post-install,pre-upgrade{{ else }}pre-install,pre-upgrade{{ end -}}
{{- end }}

{{/* The address of the database for a role; the password is read from a file again at every new connection. */}}
{{- define "plateline.dsn" -}}
{{- printf "postgresql://%s@%s:%d/%s?sslmode=verify-full&sslrootcert=/run/plateline/database-ca/ca.crt&password_file=/run/plateline/database/%s" .role (include "plateline.database.host" .root) (int .root.Values.database.port) .root.Values.database.name (default .role .file) -}}
{{- end }}
