"""Cold and warm: what each stage costs with and without the feature cache, and what the cache saves."""
from panels import (GREEN, ORANGE, RED, bar_chart, dashboard, datasource_variable, label_variable, query,
                    stat, steps, table, timeseries)
from runbooks import runbook

STAGES = 'mimicfleet_stage_duration_seconds_bucket{host=~"$host"}'
REQUESTS = 'mimicfleet_cache_requests_total{host=~"$host"}'
HITS = 'mimicfleet_cache_requests_total{host=~"$host",result="hit"}'


def quantile(share: float, cache: str, window: str = "$__range") -> str:
    """What `share` of the runs of each stage took at most; a stage that did not run has no value."""
    buckets = f'mimicfleet_stage_duration_seconds_bucket{{host=~"$host",cache="{cache}"}}'
    return f"histogram_quantile({share}, sum by (le, stage) (increase({buckets}[{window}]))) >= 0"


def mean_when_warm() -> str:
    """Reading a cache takes less than the lowest bucket: a quantile would show that bucket."""
    parts = [f'sum by (stage) (increase(mimicfleet_stage_duration_seconds_{part}{{host=~"$host",cache="warm"}}[$__range]))'
             for part in ("sum", "count")]
    return f"{parts[0]} / ({parts[1]} > 0)"


def runs(cache: str) -> str:
    series = f'mimicfleet_stage_duration_seconds_count{{host=~"$host",cache="{cache}"}}'
    return f"sum by (stage) (increase({series}[$__range])) > 0"


def column(expr: str) -> dict:
    return query(expr, instant=True, table=True)


def headline() -> list[dict]:
    damaged = 'mimicfleet_cache_requests_total{host=~"$host",result="damaged"}'
    spent = 'mimicfleet_stage_duration_seconds_sum{host=~"$host"}'
    saved = 'mimicfleet_cache_saved_seconds_total{host=~"$host"}'
    return [
        stat("Hit rate", f"sum(increase({HITS}[$__range])) / (sum(increase({REQUESTS}[$__range])) > 0)",
             "percentunit", decimals=0, empty="no request", link=runbook("MimicfleetCacheHitRateFell"),
             description="Share of the requests in the time shown that the cache could answer"),
        stat("Time saved", f"sum(increase({saved}[$__range]))", "s", decimals=0,
             description="What making the features that came out of the cache would have taken longer"),
        stat("Saved share", f"sum(increase({saved}[$__range])) / ((sum(increase({saved}[$__range])) + "
             f"sum(increase({spent}[$__range]))) > 0)", "percentunit", decimals=0, empty="no stage ran",
             description="Of the time that all stages would have taken without a cache"),
        stat("Damaged entries", f"sum(increase({damaged}[$__range]))", "none", decimals=0,
             link=runbook("MimicfleetCacheDamaged"),
             thresholds=steps((None, GREEN), (0.5, RED)),
             description="Entries that were read and did not hold what was written: they are made again"),
        stat("Evicted", 'sum(increase(mimicfleet_cache_evictions_total{host=~"$host"}[$__range]))', "none", decimals=0,
             thresholds=steps((None, GREEN), (0.5, ORANGE)),
             description="Entries that were removed in the time shown to keep caches below their limits"),
        stat("Cache filled", 'max(sum by (worker) (mimicfleet_cache_bytes{host=~"$host"}) / (sum by (worker) '
             '(mimicfleet_cache_limit_bytes{host=~"$host"}) > 0))', "percentunit",
             thresholds=steps((None, GREEN), (0.9, ORANGE)),
             description="Of the cache that is closest to its limit; full ones evict what was used longest ago"),
    ]


def stages() -> list[dict]:
    return [
        bar_chart("Each stage: median cold, mean warm", [column(quantile(0.5, "cold")), column(mean_when_warm())], "stage",
                  ["cold", "warm"], "s", height=10, empty="no stage ran",
                  description="Cold: made anew. Warm: what the stage makes came out of the cache. Stages that the "
                  "cache cannot help are always cold"),
        table("Stages in numbers",
              [column(quantile(0.5, "cold")), column(quantile(0.9, "cold")), column(runs("cold")),
               column(mean_when_warm()), column(runs("warm"))],
              "stage", ["cold median", "cold 9 of 10", "cold runs", "warm mean", "warm runs"],
              {name: "s" for name in ("cold median", "cold 9 of 10", "warm mean")}, height=10,
              empty="no stage ran", description="In the time shown; 9 of 10: nine of ten runs took at most so long"),
        timeseries("Sampling (denoise)",
                   [query('histogram_quantile(0.5, sum by (le) (rate(mimicfleet_stage_duration_seconds_bucket{'
                          'host=~"$host",stage="denoise"}[30m]))) >= 0', "median"),
                    query('histogram_quantile(0.9, sum by (le) (rate(mimicfleet_stage_duration_seconds_bucket{'
                          'host=~"$host",stage="denoise"}[30m]))) >= 0', "9 of 10")], "s", width=8,
                   empty="no clip was sampled", description="The stage that costs most, over 30 minutes at each time"),
        timeseries("Preprocessing",
                   [query('histogram_quantile(0.5, sum by (le, cache) (rate(mimicfleet_stage_duration_seconds_bucket{'
                          'host=~"$host",stage="preprocess"}[30m]))) >= 0', "{{cache}}")], "s", width=8,
                   empty="no clip was prepared", colours={"cold": "blue", "warm": ORANGE},
                   description="Median of decoding and finding poses, over 30 minutes at each time"),
        timeseries("Time saved by stage",
                   [query('sum by (stage) (increase(mimicfleet_cache_saved_seconds_total{host=~"$host"}[5m])) > 0',
                          "{{stage}}")], "s", width=8, stacked=True, empty="nothing was saved",
                   description="In the 5 minutes before each time"),
    ]


def entries() -> list[dict]:
    return [
        timeseries("Hit rate by entry",
                   [query(f"sum by (entry) (increase({HITS}[30m])) / (sum by (entry) (increase({REQUESTS}[30m])) > 0)",
                          "{{entry}}")], "percentunit", width=8, high=1, empty="no request",
                   description="Over 30 minutes at each time"),
        timeseries("Requests", [query(f"sum by (result) (increase({REQUESTS}[5m]))", "{{result}}")], "none", width=8,
                   stacked=True, colours={"hit": GREEN, "miss": ORANGE, "damaged": RED},
                   description="In the 5 minutes before each time, by result"),
        timeseries("Size", [query('sum by (worker) (mimicfleet_cache_bytes{host=~"$host"})', "{{worker}}"),
                            query('min(mimicfleet_cache_limit_bytes{host=~"$host"} > 0)', "smallest limit")], "bytes",
                   width=8, colours={"smallest limit": RED},
                   description="What the entries of each worker's cache take, and the smallest limit"),
        timeseries("Features computed",
                   [query('sum by (what) (increase(mimicfleet_feature_computations_total{host=~"$host"}[5m]))',
                          "{{what}}")], "none", width=12,
                   description="In the 5 minutes before each time: inputs decoded and features computed because no "
                   "cache had them"),
        timeseries("Entries", [query('sum by (worker) (mimicfleet_cache_entries{host=~"$host"})', "{{worker}}")],
                   "none", width=12, description="How many features each worker's cache holds"),
    ]


def build() -> dict:
    host = label_variable("host", "Host", "label_values(mimicfleet_worker_info, host)", "Hosts of the workers shown",
                          every=True)
    return dashboard("mimicfleet-cold-warm", "mimicfleet / Cold and warm",
                     "What stages cost with and without the feature cache", [datasource_variable(), host],
                     headline() + stages() + entries())
