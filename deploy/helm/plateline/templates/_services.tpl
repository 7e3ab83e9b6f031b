{{/*
The six services, told once: which keys and database roles each is given, whether it holds images, keeps files of its own,
calls the other doors, and which topic's lag says that it needs more hands. Nothing else differs between them.
*/}}
{{- define "plateline.services" -}}
ingest:
  roles: {database_url: alpr_ingest}
  keys: [list.keys, package.key]
  objects: true
  doors: [console]
recognizer:
  roles: {}
  keys: []
  objects: true
  doors: []
  lag: {topic: frames, group: alpr-recognizer}
matcher:
  roles: {}
  keys: [list.keys]
  doors: []
  lag: {topic: reads, group: alpr-matcher}
audit:
  roles: {database_url: alpr_audit, reader_database_url: alpr_reader}
  keys: [ledger.key, events.key]
  volume: true
  doors: [console]
retention:
  roles: {database_url: alpr_retention}
  keys: []
  objects: true
  volume: true
  doors: [console]
console:
  roles: {database_url: alpr_console}
  keys: [list.keys, person.key]
  calls: [audit, ingest, retention]
  doors: []
{{- end }}

{{/* The settings file of a service: what the chart decides goes before what the values say. */}}
{{- define "plateline.settings" -}}
{{- $values := .root.Values -}}
{{- $name := include "plateline.name" .root -}}
{{- $security := dict "kind" "sasl" "username" (printf "%salpr-%s" $values.kafka.topicPrefix .service) "password_file" "/run/plateline/kafka/password" "ca_file" "/run/plateline/kafka-ca/ca.crt" -}}
{{- if eq $values.kafka.authentication "mtls" -}}
{{- $security = dict "kind" "tls" "cert_file" "/run/plateline/kafka/user.crt" "key_file" "/run/plateline/kafka/user.key" "ca_file" "/run/plateline/kafka-ca/ca.crt" -}}
{{- end -}}
{{- $own := dict "host" "0.0.0.0" "port" 8080 "kafka_bootstrap" (include "plateline.kafka.bootstrap" .root) "kafka_security" $security "topic_prefix" $values.kafka.topicPrefix "tls_cert_file" "/run/plateline/tls/tls.crt" "tls_key_file" "/run/plateline/tls/tls.key" -}}
{{- range $setting, $role := .table.roles -}}
{{- $_ := set $own $setting (include "plateline.dsn" (dict "root" $.root "role" $role)) -}}
{{- end -}}
{{- if .table.objects -}}
{{- $_ := set $own "objects_url" (printf "s3://%s/%s" $values.objects.bucket $values.objects.prefix) -}}
{{- end -}}
{{- if has .service (list "ingest" "audit" "retention") -}}
{{- $_ := set $own "person_public_key" $values.personPublicKey -}}
{{- end -}}
{{- if has .service (list "ingest" "retention" "console") -}}
{{- $_ := set $own "events_public_key" $values.eventsPublicKey -}}
{{- end -}}
{{- if has "list.keys" .table.keys -}}
{{- $_ := set $own "list_keys_file" "/run/plateline/keys/list.keys" -}}
{{- end -}}
{{- if eq .service "ingest" -}}
{{- $_ := set $own "package_key_file" "/run/plateline/keys/package.key" -}}
{{- else if eq .service "recognizer" -}}
{{- if $values.recognizer.gpu.enabled -}}{{- $_ := set $own "backend" "gpu" -}}{{- end -}}
{{- else if eq .service "matcher" -}}
{{- $_ := set $own "state_dir" "/tmp/matcher" -}}
{{- else if eq .service "audit" -}}
{{- $own = merge $own (dict "ledger_key_file" "/run/plateline/keys/ledger.key" "events_key_file" "/run/plateline/keys/events.key" "ledger_origin" $values.audit.ledgerOrigin "checkpoint_file" "/data/checkpoint" "public_folder" "/data/public-ledger") -}}
{{- else if eq .service "retention" -}}
{{- $_ := set $own "image_keys_dir" "/data/image-keys" -}}
{{- else if eq .service "console" -}}
{{- $own = merge $own (dict "person_key_file" "/run/plateline/keys/person.key" "ops_host" "0.0.0.0" "ops_port" 9090 "doors_ca_file" "/run/plateline/tls/ca.crt") -}}
{{- range $door := .table.calls -}}
{{- $_ := set $own (printf "%s_url" $door) (printf "https://%s-%s:8080" $name $door) -}}
{{- end -}}
{{- if $values.ingress.console.enabled -}}
{{- $_ := set $own "public_url" (printf "https://%s" $values.ingress.console.host) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .service "matcher") $values.ingress.console.enabled -}}
{{- $_ := set $own "public_url" (printf "https://%s" $values.ingress.console.host) -}}
{{- end -}}
{{ toYaml (merge $own (index $values .service).settings) }}
{{- end }}
