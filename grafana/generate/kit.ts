/**
 * Parts of dashboards: short ways to say which series a panel shows, in which unit, and what to make of it.
 *
 * A panel here is its title, its unit, its queries and a description; what every panel shares (the data source variable, the
 * selector by heap and instance, legends, sizes) is added in one place. Nothing here is shipped: Grafana reads the committed
 * JSON in `grafana/dashboards`, which a test keeps equal to what these files make.
 */

import { PanelBuilder as BarGauge } from '@grafana/grafana-foundation-sdk/bargauge';
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as Heatmap, HeatmapColorOptionsBuilder } from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimeline } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';

// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana's
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** A metric of the chosen heaps. */
export const heap = (metric: string, more = ''): string =>
  `${metric}{${more}${more === '' ? '' : ','}heap=~"$heap",instance=~"$instance"}`;
/** A metric of the server, which has no heap. */
export const server = (metric: string, more = ''): string =>
  `${metric}{${more}${more === '' ? '' : ','}instance=~"$instance"}`;
/** How much a counter grows in a second. */
export const rate = (selected: string): string => `rate(${selected}[$__rate_interval])`;
/** One series for each heap, or for each heap and value of further labels. */
export const perHeap = (expr: string, ...labels: string[]): string =>
  `sum by (${['instance', 'heap', ...labels].join(', ')}) (${expr})`;
export const perInstance = (expr: string, ...labels: string[]): string =>
  `sum by (${['instance', ...labels].join(', ')}) (${expr})`;

/** What a series is called: the heap, what it shows, and where. */
export const ofHeap = (what: string): string => `{{heap}} ${what} · {{instance}}`;
export const ofServer = (what: string): string => `${what} · {{instance}}`;

/** A query and the name of its series. */
export type Query = readonly [expr: string, legend: string];

export interface Spec {
  readonly title: string;
  /** A unit of Grafana's: `bytes`, `s`, `ops`, `percentunit`, ... */
  readonly unit: string;
  /** What it shows, and what to do about it. The names of its metrics are added. */
  readonly about: string;
  readonly queries: readonly Query[];
  /** Columns of 24, and rows. */
  readonly w?: number;
  readonly h?: number;
  readonly min?: number;
  readonly max?: number;
  readonly decimals?: number;
}

/** Anything that makes a panel. */
interface PanelMaker {
  build(): Panel;
}

const METRIC = /\b(?:go|goheap|process|nodejs)_[a-z0-9_]+|\bALERTS\b/g;

/** The metrics that an expression names, each once. */
export function metricsOf(expressions: readonly string[]): string[] {
  return [...new Set(expressions.flatMap((expr) => expr.match(METRIC) ?? []))];
}

function describe(spec: Spec): string {
  const names = metricsOf(spec.queries.map(([expr]) => expr)).map((name) => `\`${name}\``);
  return `${spec.about}\n\nFrom ${names.join(', ')}; docs/stats.md explains each.`;
}

type Shared = TimeSeries | Stat | BarGauge | Heatmap | StateTimeline;

function common<P extends Shared>(panel: P, spec: Spec, size: { w: number; h: number }, instant = false): P {
  panel
    .title(spec.title)
    .description(describe(spec))
    .datasource(DATASOURCE)
    .unit(spec.unit)
    .span(spec.w ?? size.w)
    .height(spec.h ?? size.h);
  if (spec.min !== undefined) panel.min(spec.min);
  if (spec.max !== undefined) panel.max(spec.max);
  if (spec.decimals !== undefined) panel.decimals(spec.decimals);
  spec.queries.forEach(([expr, legend], i) => {
    const query = new DataqueryBuilder()
      .refId(String.fromCharCode(65 + i))
      .datasource(DATASOURCE)
      .expr(expr)
      .legendFormat(legend);
    panel.withTarget(instant ? query.instant() : query.range());
  });
  return panel;
}

/** Lines over time. */
export function lines(spec: Spec, stacked = false): PanelMaker {
  const panel = common(new TimeSeries(), spec, { w: 12, h: 8 })
    .lineWidth(1)
    .fillOpacity(stacked ? 40 : 8)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (spec.min === undefined) panel.axisSoftMin(0);
  if (stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  return panel;
}

/** Parts of a whole over time, one on top of the other. */
export const stack = (spec: Spec): PanelMaker => lines(spec, true);

const LAST = (): ReduceDataOptionsBuilder => new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false);

/** One number, with its course behind it. */
export function number(spec: Spec): PanelMaker {
  return common(new Stat(), spec, { w: 4, h: 4 })
    .graphMode(BigValueGraphMode.Area)
    .colorMode(BigValueColorMode.Value)
    .reduceOptions(LAST());
}

/** The largest or smallest of many, now. */
export function bars(spec: Spec): PanelMaker {
  return common(new BarGauge(), spec, { w: 12, h: 9 }, true)
    .displayMode(BarGaugeDisplayMode.Basic)
    .orientation(VizOrientation.Horizontal)
    .showUnfilled(true)
    .reduceOptions(LAST());
}

/** A histogram over time, from its buckets. */
export function heat(spec: Spec): PanelMaker {
  const panel = common(new Heatmap(), spec, { w: 12, h: 9 })
    .calculate(false)
    .cellGap(1)
    .color(new HeatmapColorOptionsBuilder().scheme('Turbo').steps(64));
  const built = panel.build();
  for (const target of built.targets ?? []) Object.assign(target, { format: PromQueryFormat.Heatmap });
  return panel;
}

/** States over time. */
export function states(spec: Spec): PanelMaker {
  return common(new StateTimeline(), spec, { w: 12, h: 8 })
    .mergeValues(true)
    .showValue(VisibilityMode.Never)
    .rowHeight(0.8)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(false),
    );
}

export interface Section {
  readonly title: string;
  readonly panels: readonly PanelMaker[];
}

/** The collector's cycles, as vertical lines at the time at which each ended. */
function cycles(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('GC cycles')
    .datasource(DATASOURCE)
    .enable(true)
    .hide(false)
    .iconColor('purple')
    .expr(`${heap('go_memstats_last_gc_time_seconds')} * 1000 > 0`)
    .useValueForTime(true)
    .step('1s')
    .titleFormat('GC')
    .textFormat('{{heap}} on {{instance}}')
    .tagKeys('heap');
}

/** A whole dashboard: its variables, annotations, links and sections of panels. */
export function dashboard(uid: string, title: string, about: string, sections: readonly Section[]): object {
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .description(about)
    .tags(['goheap'])
    .timezone('browser')
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh('5s')
    .time({ from: 'now-15m', to: 'now' })
    .version(1)
    .link(
      new DashboardLinkBuilder('goheap')
        .type(DashboardLinkType.Dashboards)
        .tags(['goheap'])
        .asDropdown(false)
        .includeVars(true)
        .keepTime(true),
    )
    .withVariable(
      new DatasourceVariableBuilder('datasource')
        .label('Data source')
        .type('prometheus')
        .current({ text: 'Prometheus', value: 'prometheus' }),
    )
    .withVariable(variable('instance', 'Instance', 'label_values(goheap_build_info, instance)'))
    .withVariable(variable('heap', 'Heap', 'label_values(goheap_heap_inuse_bytes{instance=~"$instance"}, heap)'))
    .annotation(cycles());
  for (const { title: name, panels } of sections) {
    if (name !== '') builder.withRow(new RowBuilder(name));
    for (const panel of panels) builder.withPanel(panel);
  }
  const built = builder.build();
  // Ids of panels are stable, so that links to one survive the next generation.
  (built.panels ?? []).forEach((panel, i) => {
    panel.id = i + 1;
  });
  return built;
}

function variable(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query, refId: name })
    .definition(query)
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .current({ text: 'All', value: '$__all' })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
}
