{{/* What every job of the release has in common: one container by the command's image, no volume it may write but /tmp. */}}

{{- define "plateline.job.container" -}}
image: {{ include "plateline.image" (dict "root" .root "image" "cli") }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "plateline.container.security" .root | nindent 2 }}
resources:
  requests: {cpu: 100m, memory: 128Mi, ephemeral-storage: 64Mi}
  limits: {memory: {{ default "512Mi" .memory }}, ephemeral-storage: 512Mi}
{{- end }}

{{- define "plateline.job.mounts" -}}
- {name: secrets, mountPath: /run/plateline, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* One schema brought to a revision by its owner. */}}
{{- define "plateline.job.migration" -}}
- name: {{ .schema }}
  {{- include "plateline.job.container" . | nindent 2 }}
  command: [python, -m, alprcore.migrate, up, {{ .schema }}, --target, {{ .target }}]
  env:
    - name: ALPR_OWNER_DSN
      value: {{ include "plateline.dsn" (dict "root" .root "role" (printf "alpr_%s_owner" .schema)) | quote }}
  volumeMounts:
    {{- include "plateline.job.mounts" .root | nindent 4 }}
{{- end }}

{{/* The pod that migrates every schema in turn: retention's search function reads audit's intents, so audit goes first. */}}
{{- define "plateline.job.migrations" -}}
{{- include "plateline.pod.common" .root }}
restartPolicy: Never
initContainers:
  {{- range $schema := list "audit" "ingest" "retention" }}
  {{- include "plateline.job.migration" (dict "root" $.root "schema" $schema "target" $.target) | nindent 2 }}
  {{- end }}
containers:
  {{- include "plateline.job.migration" (dict "root" .root "schema" "console" "target" .target) | nindent 2 }}
volumes:
  - name: secrets
    projected:
      defaultMode: 288
      sources:
        {{- include "plateline.database.sources" (dict "root" .root "roles" (list "alpr_audit_owner" "alpr_console_owner" "alpr_ingest_owner" "alpr_retention_owner")) | trim | nindent 8 }}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- define "plateline.job.limits" -}}
backoffLimit: 3
activeDeadlineSeconds: 3600
ttlSecondsAfterFinished: 604800
{{- end }}
