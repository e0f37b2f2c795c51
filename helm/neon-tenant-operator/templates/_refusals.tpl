{{/* What a schema cannot say in words that help. */}}
{{- define "operator.refusals" -}}
{{- if not .Values.clusterId }}
{{- fail "clusterId is required: a short name for this cluster, such as prod-eu. Choose it once and keep it: --set clusterId=..." }}
{{- end }}
{{- /* Nothing is found where Helm only renders, as for Argo CD. */}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace (include "operator.name" .) }}
{{- range dig "spec" "template" "spec" "containers" list $running }}
{{- range .env }}
{{- if and (eq .name "NEON_TENANTS_CLUSTER_ID") .value (ne .value $.Values.clusterId) }}
{{- fail (printf "clusterId is %s in this cluster, and now %s: the operator would not know its projects again, which bear the first in their names. Keep clusterId=%s." .value $.Values.clusterId .value) }}
{{- end }}
{{- end }}
{{- end }}
{{- if not .Values.neon.existingSecret }}
{{- fail "neon.existingSecret is required: the name of a Secret in this namespace that holds Neon's API key: --set neon.existingSecret=..." }}
{{- end }}
{{- if and (gt (int .Values.replicaCount) 1) (not (include "operator.elects" .)) }}
{{- fail "replicaCount is above 1 and settings.leaderElect is false: all replicas would work at once, each with the whole request budget. Leave out settings.leaderElect." }}
{{- end }}
{{- $elsewhere := dict
  "clusterId" "Set clusterId at the top of the values."
  "watchNamespaces" "Set watchNamespaces at the top of the values: permissions go with it."
  "apiKeyFile" "The chart mounts the key of the Secret neon.existingSecret."
  "namespace" "It is the namespace of the release."
  "listen" "The probes and the Service rely on the chart's port."
  "kubeconfig" "In a pod the operator uses its service account."
  "kubeContext" "In a pod the operator uses its service account."
  "serviceAccountPath" "Kubernetes mounts the login of the service account by itself."
}}
{{- range $name, $_ := .Values.settings }}
{{- with get $elsewhere $name }}
{{- fail (printf "settings.%s is set by the chart. %s" $name .) }}
{{- end }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if hasPrefix "NEON_TENANTS_" .name }}
{{- $setting := trimPrefix "NEON_TENANTS_" .name | lower | camelcase | untitle }}
{{- fail (printf "extraEnv must not set %s. %s" .name (get $elsewhere $setting | default (printf "Set settings.%s." $setting))) }}
{{- end }}
{{- end }}
{{- end -}}
