{{/* What every pod of the release has in common, whatever it runs. */}}

{{- define "plateline.pod.security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "plateline.container.security" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "plateline.pod.common" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "plateline.pod.security" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.scheduling.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* How a service reaches the object store. */}}
{{- define "plateline.env.objects" -}}
{{- $objects := .root.Values.objects -}}
- {name: AWS_REGION, value: {{ $objects.region | quote }}}
{{- with include "plateline.objects.endpoint" .root }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- if include "plateline.objects.caSecret" .root }}
- {name: SSL_CERT_FILE, value: /run/plateline/objects-ca/ca.crt}
{{- end }}
{{- $secret := ternary $objects.bundled.secret (get $objects.secrets .service) $objects.bundled.enabled }}
{{- with $secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: access-key-id}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret-access-key}}
{{- end }}
{{- end }}

{{/* One source of the projected volume /run/plateline: keys of a Secret, below a folder. */}}
{{- define "plateline.source" -}}
- secret:
    name: {{ .secret }}
    items:
      {{- range .items }}
      - {key: {{ . }}, path: {{ $.folder }}/{{ . }}}
      {{- end }}
{{- end }}

{{- define "plateline.kafka.sources" -}}
{{- $items := ternary (list "user.crt" "user.key") (list "password") (eq .root.Values.kafka.authentication "mtls") }}
{{ include "plateline.source" (dict "secret" .secret "items" $items "folder" "kafka") }}
{{ include "plateline.source" (dict "secret" (include "plateline.kafka.caSecret" .root) "items" (list "ca.crt") "folder" "kafka-ca") }}
{{- end }}

{{- define "plateline.database.sources" -}}
{{ include "plateline.source" (dict "secret" (include "plateline.database.caSecret" .root) "items" (list "ca.crt") "folder" "database-ca") }}
{{- with .roles }}
{{ include "plateline.source" (dict "secret" $.root.Values.database.passwordsSecret "items" . "folder" "database") }}
{{- end }}
{{- end }}
