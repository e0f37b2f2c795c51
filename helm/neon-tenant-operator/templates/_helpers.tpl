{{/* The name of everything in the release: CLI and docs look for it. */}}
{{- define "operator.name" -}}
neon-tenant-operator
{{- end -}}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: neon-tenant-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
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

{{/* Fails where the CRDs belong to another release: two operators would work on the same tenants. */}}
{{- define "operator.crdIsOurs" -}}
{{- $root := first . -}}
{{- $annotations := dig "metadata" "annotations" dict (last .) | default dict -}}
{{- $name := get $annotations "meta.helm.sh/release-name" -}}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" -}}
{{- if and $name (or (ne $name $root.Release.Name) (ne $namespace $root.Release.Namespace)) -}}
{{- fail (printf "\nThe CRDs of this cluster belong to the release %s in namespace %s. Upgrade that one: helm upgrade %s -n %s ...\nIt was uninstalled, and this one takes its place: kubectl annotate crd -l helm.sh/chart meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s --overwrite" $name $namespace $name $namespace $root.Release.Name $root.Release.Namespace) -}}
{{- end -}}
{{- end -}}

{{/* Not empty where replicas elect the one that works. */}}
{{- define "operator.elects" -}}
{{- if ne (toString (dig "leaderElect" true (.Values.settings | default dict))) "false" -}}yes{{- end -}}
{{- end -}}
