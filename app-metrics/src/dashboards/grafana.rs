//! The dashboard as Grafana imports it.

use super::panel::{Look, Panel, Target};
use super::query::Queries;
use crate::names::{Names, mapped};
use serde_json::{Value, json};

/// Columns of a dashboard.
const COLUMNS: u32 = 24;

/// Letters by which Grafana tells the queries of a panel apart.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The dashboard of the panels that the linked crates contribute, as Grafana (10.4 or newer) imports it. `program` is the
/// name of the application.
///
/// # Errors
/// A query has a name that no linked metric has.
pub fn grafana_dashboard(program: &str, names: Names) -> Result<Value, String> {
    written(&Queries::linked(names), program, names, &Panel::linked())
}

pub(super) fn written(
    queries: &Queries,
    program: &str,
    names: Names,
    linked: &[&Panel],
) -> Result<Value, String> {
    let mut panels = Vec::new();
    let mut y = 0;
    for row in linked.chunk_by(|one, other| one.row == other.row) {
        let Some(first) = row.first() else { continue };
        let id = panels.len() + 1;
        panels.push(json!({
            "id": id, "type": "row", "title": first.row.title, "collapsed": false,
            "gridPos": { "x": 0, "y": y, "w": COLUMNS, "h": 1 }, "panels": [],
        }));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in row {
            let targets = targets(queries, panel).map_err(|why| format!("panel {:?}: {why}", panel.title))?;
            if targets.is_empty() {
                continue;
            }
            let (width, tall) = (u32::from(panel.size.0).clamp(1, COLUMNS), u32::from(panel.size.1));
            if x + width > COLUMNS {
                (x, y, height) = (0, y + height, 0);
            }
            let place = json!({ "x": x, "y": y, "w": width, "h": tall });
            panels.push(shown(panels.len() + 1, panel, &place, targets));
            (x, height) = (x + width, height.max(tall));
        }
        y += height;
    }
    dashboard(queries, program, names, panels)
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${DS_PROMETHEUS}" })
}

fn targets(queries: &Queries, panel: &Panel) -> Result<Vec<Value>, String> {
    let (instant, table) = match panel.look {
        Look::Number { .. } => (true, false),
        Look::Table { .. } => (true, true),
        _ => (false, false),
    };
    let mut written = Vec::new();
    for target in panel.targets {
        for (service, query) in queries.each(target.each, target.query)? {
            let letter = LETTERS
                .chars()
                .nth(written.len())
                .map_or_else(|| format!("Q{}", written.len()), String::from);
            let mut shown = json!({
                "datasource": source(), "editorMode": "code", "expr": query.text,
                "legendFormat": target.legend.replace("SERVICE", service), "refId": letter, "range": !instant,
            });
            if instant {
                shown["instant"] = true.into();
            }
            if table {
                shown["format"] = "table".into();
            }
            written.push(shown);
        }
    }
    Ok(written)
}

fn shown(id: usize, panel: &Panel, place: &Value, targets: Vec<Value>) -> Value {
    let mut defaults = json!({ "unit": panel.unit, "mappings": [], "thresholds": steps(panel.look) });
    for (name, value) in [("min", panel.lowest), ("max", panel.highest)] {
        if let Some(value) = value {
            defaults[name] = value.into();
        }
    }
    if let Some(decimals) = panel.decimals {
        defaults["decimals"] = decimals.into();
    }
    let (kind, options) = look(panel.look, &mut defaults);
    let overrides: Vec<_> = panel.targets.iter().filter_map(on_the_right).collect();
    let mut shown = json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.about, "datasource": source(),
        "gridPos": place, "targets": targets, "options": options,
        "fieldConfig": { "defaults": defaults, "overrides": overrides },
    });
    if let Look::Table { hidden, renamed } = panel.look {
        let hidden = hidden.iter().map(|name| ((*name).to_owned(), true.into()));
        let renamed = renamed.iter().map(|(name, new)| ((*name).to_owned(), (*new).into()));
        let (hidden, renamed): (serde_json::Map<_, _>, serde_json::Map<_, _>) =
            (hidden.collect(), renamed.collect());
        shown["transformations"] = json!([{
            "id": "organize",
            "options": { "excludeByName": hidden, "indexByName": {}, "renameByName": renamed },
        }]);
    }
    shown
}

fn on_the_right(target: &Target) -> Option<Value> {
    let unit = target.right?;
    Some(json!({
        "matcher": { "id": "byName", "options": target.legend },
        "properties": [
            { "id": "unit", "value": unit },
            { "id": "custom.axisPlacement", "value": "right" },
        ],
    }))
}

fn steps(look: Look) -> Value {
    let two = |below: &str, from: &str| {
        let steps = [json!({ "color": below, "value": null }), json!({ "color": from, "value": 1 })];
        let all = if below == from { 1 } else { 2 };
        json!({ "mode": "absolute", "steps": steps[..all] })
    };
    match look {
        Look::Number { below, from_one } => two(below, from_one),
        Look::Timeline => two("red", "green"),
        _ => two("green", "green"),
    }
}

/// The type of the panel and its options. Adds to the defaults of its fields.
fn look(look: Look, defaults: &mut Value) -> (&'static str, Value) {
    match look {
        Look::Lines | Look::Stacked | Look::Bars => {
            defaults["color"] = json!({ "mode": "palette-classic" });
            let (style, filled) = if matches!(look, Look::Bars) { ("bars", 60) } else { ("line", 10) };
            let stacking = if matches!(look, Look::Stacked) { "normal" } else { "none" };
            defaults["custom"] = json!({
                "drawStyle": style, "lineWidth": 1, "fillOpacity": filled, "showPoints": "never", "spanNulls": false,
                "stacking": { "group": "A", "mode": stacking }, "thresholdsStyle": { "mode": "off" },
            });
            let legend = json!({
                "calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": true,
            });
            ("timeseries", json!({ "legend": legend, "tooltip": { "mode": "multi", "sort": "desc" } }))
        }
        Look::Number { .. } => {
            defaults["color"] = json!({ "mode": "thresholds" });
            let options = json!({
                "colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
                "textMode": "auto",
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            });
            ("stat", options)
        }
        Look::Timeline => {
            defaults["color"] = json!({ "mode": "thresholds" });
            defaults["custom"] = json!({ "fillOpacity": 75, "lineWidth": 0 });
            defaults["mappings"] = json!([{
                "type": "value",
                "options": {
                    "0": { "text": "down", "color": "red", "index": 0 },
                    "1": { "text": "up", "color": "green", "index": 1 },
                },
            }]);
            let options = json!({
                "alignValue": "left", "mergeValues": true, "rowHeight": 0.9, "showValue": "never",
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "single", "sort": "none" },
            });
            ("state-timeline", options)
        }
        Look::Table { .. } => {
            defaults["custom"] = json!({ "align": "left", "filterable": true });
            let footer = json!({ "show": false, "reducer": ["sum"], "countRows": false, "fields": "" });
            ("table", json!({ "showHeader": true, "cellHeight": "sm", "footer": footer }))
        }
    }
}

fn dashboard(queries: &Queries, program: &str, names: Names, panels: Vec<Value>) -> Result<Value, String> {
    let word = names.word();
    let described = match names {
        Names::Ids => {
            "Metrics are named by ids. The description of each panel has their recorded names in brackets; docs/METRICS.md explains them. For OpenMetrics and for text format 0.0.4."
        }
        Names::Readable => {
            "For a Prometheus that scrapes with the parameter names=readable. The description of each panel has the recorded names of its metrics in brackets; docs/METRICS.md explains them."
        }
    };
    let kinds = [
        ("stat", "Stat"),
        ("state-timeline", "State timeline"),
        ("table", "Table"),
        ("timeseries", "Time series"),
    ];
    let required = kinds.map(|(id, name)| json!({ "type": "panel", "id": id, "name": name, "version": "" }));
    let programs = [
        json!({ "type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.4.0" }),
        json!({ "type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0" }),
    ];
    let uid = mapped(program).unwrap_or_else(|| "app".to_owned());
    Ok(json!({
        "__inputs": [{
            "name": "DS_PROMETHEUS", "label": "Prometheus", "description": "The Prometheus that scrapes the service.",
            "type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus",
        }],
        "__elements": {}, "__requires": Vec::from_iter(programs.into_iter().chain(required)),
        "id": null, "uid": format!("{uid:.28}-{word}"), "title": format!("{program} ({word})"),
        "description": described, "tags": [program, "platform"], "schemaVersion": 39, "version": 1, "editable": true,
        "graphTooltip": 1, "timezone": "browser", "weekStart": "", "fiscalYearStartMonth": 0, "liveNow": false,
        "refresh": "30s", "time": { "from": "now-1h", "to": "now" }, "timepicker": {}, "links": [],
        "annotations": { "list": [
            {
                "builtIn": 1, "datasource": { "type": "grafana", "uid": "-- Grafana --" }, "enable": true, "hide": true,
                "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
            },
            {
                "datasource": source(), "enable": true, "iconColor": "orange", "name": "Starts of the process",
                "expr": queries.one("changes(process_start_time_seconds{INSTANCES}[2m]) > 0")?.text,
                "step": "60s", "titleFormat": "started", "textFormat": "{{instance}}",
            },
        ] },
        "templating": { "list": variables(queries)? },
        "panels": panels,
    }))
}

/// The choices above the dashboard.
fn variables(queries: &Queries) -> Result<Vec<Value>, String> {
    let mut all = vec![json!({
        "name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        "current": { "selected": false, "text": "default", "value": "default" }, "options": [], "refresh": 1,
        "regex": "", "multi": false, "includeAll": false, "hide": 0, "skipUrlSync": false,
    })];
    for (name, label, series) in [
        ("job", "job", "app_service_up"),
        ("instance", "instance", "app_service_up{job=~\"$job\"}"),
        ("service", "name", "app_service_up{INSTANCES}"),
    ] {
        let query = format!("label_values({},{label})", queries.one(series)?.text);
        let mut title = name.to_owned();
        title[..1].make_ascii_uppercase();
        all.push(json!({
            "name": name, "label": title, "type": "query", "datasource": source(), "definition": query,
            "query": { "query": query, "refId": name, "qryType": 1 }, "refresh": 2, "sort": 1, "multi": true,
            "includeAll": true, "allValue": ".*", "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
            "options": [], "regex": "", "hide": 0, "skipUrlSync": false,
        }));
    }
    Ok(all)
}
