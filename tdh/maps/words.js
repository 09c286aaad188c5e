/* Every word of the page in both languages. */
TDH.WORDS = {
  ja: {
    goal: "指標", goals: "プログラムの目標", target: "目標", goal_state: "達成状況", goal_met: "達成",
    goal_missing: "あと {n}", points: "ポイント", l_sectors: "選定局のアンテナ方向", l_places: "重点施設", l_stations: "鉄道駅",
    sector_mark: "選定局の向き(円は無指向)", place_mark: "重点施設(橙は不足)",
    path: "アンテナから対象地点までの断面", path_facts: "{b}、距離 {d} m、{s} dBm、対象セルの不足 {n} 人", los: "見通しあり", nlos: "見通しなし(遮蔽)",
    axis_height: "標高 (m)", axis_distance: "アンテナからの距離 (m)", k_ground: "地盤", k_building: "建物", k_sight_key: "見通し線",
    gain: "計画での増分 (人)", note: "注記", origin: "台帳",
    antennas: "アンテナ", azimuth: "方位", tilt: "チルト", eirp: "EIRP (dBm)", omni: "無指向",
    show: "表示する内容", view: "主題", v_gap: "不足と解消", v_signal: "電波の強さ",
    v_count: "つながる事業者数", v_change: "計画による改善", v_kpi: "市区町村別の指標", v_none: "なし",
    who: "事業者", any: "いずれか1社", two: "2社以上", band: "バンド", all_bands: "全バンド",
    when: "時点", before: "現状", after: "計画後", swipe: "左右に比較",
    threshold: "判定しきい値", plan_threshold: "計画の値", opacity: "濃さ",
    layers: "重ねるもの", l_chosen: "選定したアセット", l_assets: "アセット(候補)",
    region_today: "不足地区(現状)", people_today: "不足人口(現状)", people_after: "計画後の不足人口", reason: "理由",
    v_evidence: "現状の根拠(実測・公表・予測)", strongest: "事業者・バンドが複数のときは、そのうち最も確かな根拠を示します",
    pooled_evidence: "縮小表示では、画素内で最も弱い根拠を示します", estimated_mark: "推定した既存局(位置・諸元は推定)",
    lacks: "平均不足", nearest_site: "最寄り局までの距離", fewer_than: "{n}社未満の地区", no_carrier: "どの事業者も届かない地区",
    l_regions: "残る不足地区", region: "地区", area_ha: "面積 (ha)", people_gap: "不足人口", go: "地図で見る",
    l_sites: "既存の基地局", l_wards: "市区町村名", l_gsi: "地理院タイル(要インターネット)",
    filter: "アセットを絞り込む", search: "名称・所在地・IDを検索", kind: "種別", owner: "所有者",
    municipality: "市区町村", everything: "すべて", min_height: "高さ(m以上)",
    min_score: "スコア(以上)", status: "選定", s_all: "すべて", s_chosen: "選定のみ", s_other: "未選定のみ",
    reset: "条件を消す", legend: "凡例", under: "カーソル位置の値", centre: "地図中心の値",
    table: "アセット一覧", csv: "CSVで保存", csv_sel: "選択をCSVで保存", clear: "選択を解除", print: "印刷 (A3)",
    link: "リンクをコピー", copied: "コピーしました", measure: "距離を測る", select_box: "範囲で選択",
    zoom_area: "全体を表示", panel: "パネルの表示切替",
    name: "名称", height: "高さ (m)", score: "最高スコア", chosen_for: "提供先", people: "新規充足人口",
    selected: "選択", rows: "{n} 件", of_rows: "{n} / {m} 件", selected_rows: "{n} 件を選択",
    remaining: "計画後も不足", closed: "計画で解消", served: "現状で充足", gap_now: "不足",
    nothing: "受信なし", nothing_short: "受信なし", outside: "区域外", dbm: "SS-RSRP (dBm)", margin: "しきい値までの余裕 (dB)",
    change_db: "改善量 (dB)", no_change: "変化なし", newly: "新たに受信", carriers_n: "{n} 社",
    gap_share: "不足人口の割合", pooled: "縮小表示では、画素内でいちばん弱いセルを示します",
    pooled_gap: "縮小表示では、画素内に1つでも不足があれば不足として示します",
    dots: "候補(色が濃いほど高スコア)", bubble: "候補の数(縮小時)", site_mark: "既存局(扇形は向き)",
    kind_label: "種別", address: "所在地", placement: "設置形態", mounting: "設置可能高",
    id: "ID", source: "出典", row: "行", synthetic: "架空", modelled: "予測値",
    by_carrier: "事業者ごとの評価", public: "公共(全事業者)", rank: "順位", stays: "上位{n}維持率", gap_people: "不足人口のうち単独で充足",
    cells: "解消セル", chosen: "選定", not_chosen: "未選定", order: "第{n}選択", gained: "増分 {n} 人",
    lost: "この局だけが頼り {n} 人", cost: "費用 {n} 百万円", why: "理由", exposure: "電波防護距離の目安",
    score_one: "スコア", sheet: "報告書で見る", close: "閉じる", footprint: "カバー範囲を表示中",
    why_not: "選定されたアセットと比べて、上限数の中では新たに充足できる人口が少ないためです。",
    why_not_cap: "この事業者の不足を単独で {n} 人解消できますが(順位 {r})、提供数の上限 {m} 件には、組み合わせて全体の充足人口がより多くなるアセットが選ばれました。",
    why_not_zero: "この事業者の不足を新たに解消するセルがありません。",
    attribution: "出典", date: "作成", north: "北", site: "既存局",
    hint: "地図上を動かすと各社の値を表示します", met: "充足", short: "不足",
    gap_before: "不足人口 現状", gap_after: "計画後", covered: "人口カバー率", sites_n: "提供数",
    total: "合計", keys: "矢印キーで移動、+ と - で拡大・縮小、Enterで中央のものを開く", measure_hint: "クリックで点を追加、Escで終了",
    select_hint: "ドラッグで囲んだアセットを選択", table_hint: "上下キーで移動、Enterで地図に表示、Spaceで選択",
    load_then: "→ は計画後の値です。", customers_then: "利用者(計画後)", per_customer_then: "1人あたり(計画後)", load_later: "負荷率(計画後)",
    busy_then: "計画後は {n} 局", carried: "提供局が受け持つ利用者(計画後)", expected_share: "期待カバー率",
    slow_for_all: "速度が遅い地区(全社合計の実測)", measured: "実測値",
    v_throughput: "速度の実測(全社合計)", not_measured_here: "実測なし", slower_than: "{n} 未満", below_speed: "下り {m} Mbit/s 未満のセルの人口:",
    people_and_day: "居住 {n} 人、昼間 {d} 人", tile_speed: "実測: 下り {d} / 上り {u} Mbit/s", tile_more: "(遅延 {l} ms、測定 {n} 回、タイル {k})",
    throughput_note: "実測値です(利用者の測定のタイル平均)。事業者・バンド・時点の区別はなく、予測値とは別のものです",
    customers: "利用者", customers_day: "昼間", capacity: "容量", capacity_mbps: "容量 (Mbit/s)", per_customer: "1人あたり (kbit/s)", load: "負荷率",
    site_known: "既知の局", site_estimated: "推定した局", not_told: "記載なし", busy: "混雑", evidence_one: "根拠",
    load_note: "利用者数と容量は計算値です(居住・昼間の人口と帯域幅から。実測ではありません)", sites_in_view: "地図の範囲にある既存局 {m} 局のうち混雑している順に {n} 局(全体 {all} 局)",
    busy_load: "混雑している局(負荷率 {n}% 以上、全体で {m} 局)", busy_share: "1人あたり容量が小さい1割の局({n} kbit/s 以下、全体で {m} 局)",
    day: "昼間", day_note: "小さい字は昼間の人口で数えた値", expected: "カバー人口(居住)", by_yes: "届く・届かないで", by_chance: "期待値(確率で)", what: "説明",
    people_day: "昼間の不足人口", by_reason: "理由別の不足人口",
    scale_note: "モデルによる予測値", loading: "読み込み中", print_title: "公共アセット活用計画",
    best: "解の品質", gap_pct: "最良との差は {g}% 以内(証明済み)", open_table: "一覧を開く・閉じる",
    people_unit: "{n} 人", language: "English", skip: "地図へ移動", owner_u: "所有者",
    contributions: "スコアの内訳", share: "割合", north_arrow: "上が北です",
  },
  en: {
    goal: "Indicator", goals: "Goals of the programme", target: "Target", goal_state: "State", goal_met: "met",
    goal_missing: "{n} to go", points: " points", l_sectors: "Directions of chosen antennas", l_places: "Priority places", l_stations: "Railway stations",
    sector_mark: "Direction of a chosen antenna (ring: all round)", place_mark: "Priority place (orange: in a gap)",
    path: "Section from the antenna to the place it serves", path_facts: "{b}, {d} m, {s} dBm, {n} people of its gap there", los: "Line of sight", nlos: "Blocked",
    axis_height: "Height above datum (m)", axis_distance: "Distance from the antenna (m)", k_ground: "Terrain", k_building: "Buildings", k_sight_key: "Line of sight",
    gain: "Gained in the plan", note: "Note", origin: "Register entry",
    antennas: "Antennas", azimuth: "Azimuth", tilt: "Tilt", eirp: "EIRP (dBm)", omni: "all round",
    show: "What to show", view: "Theme", v_gap: "Gap and what closes", v_signal: "Signal strength",
    v_count: "Carriers that serve", v_change: "Improvement by the plan", v_kpi: "By municipality",
    v_none: "Nothing", who: "Carrier", any: "Any carrier", two: "Two or more", band: "Band",
    all_bands: "All bands", when: "When", before: "Today", after: "With the plan",
    swipe: "Side by side", threshold: "Threshold", plan_threshold: "as planned",
    opacity: "Opacity", layers: "Layers", l_chosen: "Chosen assets", l_assets: "Assets (candidates)",
    region_today: "Gaps of today", people_today: "People in a gap today", people_after: "In a gap with the plan", reason: "Reason",
    v_evidence: "What today rests on", strongest: "Of several carriers or bands, the strongest evidence is shown",
    pooled_evidence: "Far out, a pixel shows its weakest evidence", estimated_mark: "Estimated present site (place and antenna are guesses)",
    lacks: "Lacks on average", nearest_site: "Distance to the nearest site", fewer_than: "Fewer than {n} carriers", no_carrier: "No carrier serves it",
    l_regions: "Gaps that remain", region: "Region", area_ha: "Area (ha)", people_gap: "People in a gap", go: "Show",
    l_sites: "Present sites", l_wards: "Municipalities", l_gsi: "GSI tiles (needs internet)",
    filter: "Filter assets", search: "Search name, address, id", kind: "Kind", owner: "Owner",
    municipality: "Municipality", everything: "All", min_height: "Height (m, at least)",
    min_score: "Score (at least)", status: "Choice", s_all: "All", s_chosen: "Chosen only", s_other: "Not chosen",
    reset: "Clear filters", legend: "Legend", under: "Value under the cursor",
    centre: "Value at the centre", table: "Assets", csv: "Save CSV", csv_sel: "Save selection as CSV",
    clear: "Clear selection", print: "Print (A3)", link: "Copy link", copied: "Copied",
    measure: "Measure", select_box: "Select by box", zoom_area: "Whole area", panel: "Show or hide panel",
    name: "Name", height: "Height (m)", score: "Best score", chosen_for: "Offered to",
    people: "People newly served", selected: "Selected", rows: "{n} assets",
    of_rows: "{n} of {m} assets", selected_rows: "{n} selected", remaining: "Gap that remains",
    closed: "Closed by the plan", served: "Served today", gap_now: "Gap", nothing: "Nothing received", nothing_short: "none",
    outside: "Outside the area", dbm: "SS-RSRP (dBm)", margin: "Margin to the threshold (dB)",
    change_db: "Gain (dB)", no_change: "No change", newly: "Newly received", carriers_n: "carriers: {n}",
    gap_share: "Share of people in a gap", pooled: "Far out, a pixel shows its weakest cell",
    pooled_gap: "Far out, a pixel with any gap shows as a gap",
    dots: "Candidate (darker: higher score)", bubble: "Number of candidates (far out)",
    site_mark: "Present site (sector: direction)", kind_label: "Kind", address: "Address",
    placement: "Placement", mounting: "Mounting height", id: "Id", source: "Register", row: "record",
    synthetic: "Synthetic", modelled: "Modelled", by_carrier: "For each carrier", public: "For the public", rank: "Rank", stays: "In best {n}",
    gap_people: "Gap people it alone would serve", cells: "Gap cells", chosen: "Chosen",
    not_chosen: "Not chosen", order: "choice {n}", gained: "{n} people gained",
    lost: "{n} people depend on it alone", cost: "cost {n} million yen", why: "Why", exposure: "Compliance distance (RF exposure)",
    score_one: "Score", sheet: "See in the report", close: "Close", footprint: "Footprint is shown",
    why_not: "Within the budget, other assets newly serve more people.",
    why_not_cap: "Alone it would serve {n} people of this carrier's gap (rank {r}), but within the budget of {m} sites others were chosen that together serve more.",
    why_not_zero: "It closes no gap cell of this carrier.",
    attribution: "Sources", date: "Made", north: "N", site: "Present site",
    hint: "Move over the map to read every carrier's value", met: "served", short: "gap",
    gap_before: "People in a gap: today", gap_after: "with the plan", covered: "People covered",
    sites_n: "Sites", total: "Total", keys: "Arrow keys move, + and - zoom, Enter opens what lies at the centre",
    measure_hint: "Click to add points, Esc to end", select_hint: "Drag a box around assets",
    table_hint: "Up and Down move, Enter shows on the map, Space selects",
    load_then: "After → with the plan.", customers_then: "Customers with the plan", per_customer_then: "For each with the plan", load_later: "Load with the plan",
    busy_then: "With the plan: {n}.", carried: "What the offers would carry (with the plan)", expected_share: "expected covered",
    slow_for_all: "Slow, all carriers together", measured: "Measured",
    v_throughput: "Measured throughput", not_measured_here: "Not measured", slower_than: "below {n}", below_speed: "People in cells below {m} Mbit/s down:",
    people_and_day: "{n} residents, {d} by day", tile_speed: "Measured: {d} down / {u} up Mbit/s", tile_more: "({l} ms, {n} tests, tile {k})",
    throughput_note: "Measured by users, a mean for each tile: of all carriers and bands together, and no prediction",
    customers: "Customers", customers_day: "By day", capacity: "Capacity", capacity_mbps: "Capacity (Mbit/s)", per_customer: "For each (kbit/s)", load: "Load",
    site_known: "Known site", site_estimated: "Estimated site", not_told: "not told", busy: "Busy", evidence_one: "Evidence",
    load_note: "Customers and capacity are modelled (from residents, people by day and bandwidth), not measured", sites_in_view: "The {n} busiest of {m} present sites in the map's view ({all} in all)",
    busy_load: "Busy site (load of {n}% or more; {m} in all)", busy_share: "The tenth of the sites with least capacity for each customer (up to {n} kbit/s; {m} in all)",
    day: "by day", day_note: "Small figures count people by day", expected: "Residents covered", by_yes: "by yes or no", by_chance: "expected (by probability)", what: "What it means",
    people_day: "In a gap by day", by_reason: "People in a gap, by reason",
    scale_note: "Modelled, not measured", loading: "Loading", print_title: "Plan of public assets",
    best: "Quality of the plan", gap_pct: "within {g}% of the best possible (proven)",
    open_table: "Open or close the table", people_unit: "{n} people", language: "日本語",
    skip: "Skip to the map", owner_u: "Owner", contributions: "Parts of the score", share: "Share",
    north_arrow: "North is up",
  },
};

TDH.lang = "ja";

TDH.t = function (key, values) {
  const text = TDH.WORDS[TDH.lang][key] || key;
  return values ? text.replace(/\{(\w+)\}/g, (_, k) => String(values[k])) : text;
};

TDH.number = (value, digits) => Number(value).toLocaleString(TDH.lang === "ja" ? "ja-JP" : "en-GB",
  { maximumFractionDigits: digits || 0, minimumFractionDigits: digits || 0 });

/* A share in percent: what is not all never reads as 100, nor some as 0. */
TDH.percent = function (share, digits) {
  const step = 10 ** -(digits || 0);
  let value = Math.round((100 * share) / step) * step;
  if (share < 1 && value >= 100 - step / 2) value = 100 - step;
  if (share > 0 && value < step / 2) value = step;
  return TDH.number(value, digits);
};

/* Put the words of a language where the page names them. */
TDH.translate = function (root) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = TDH.t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", TDH.t(node.dataset.tLabel));
    if (node.tagName === "BUTTON") node.title = TDH.t(node.dataset.tLabel);
  }
  for (const node of root.querySelectorAll("[data-t-hint]")) node.placeholder = TDH.t(node.dataset.tHint);
  for (const node of root.querySelectorAll("[data-ja]")) node.textContent = node.dataset[TDH.lang];
};
