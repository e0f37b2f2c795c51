{{/* The name of everything in the release: CLI and docs look for it. */}}
{{- define "operator.name" -}}
neon-tenant-operator
{{- end -}}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: neon-tenant-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with omit .Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The chart's own labels win: by some of them the Deployment finds its pod. */}}
{{- define "operator.podLabels" -}}
{{ merge (include "operator.labels" . | fromYaml) .Values.podLabels | toYaml }}
{{- end -}}

{{- define "operator.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{ .Values.image.repository }}:{{ $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}
