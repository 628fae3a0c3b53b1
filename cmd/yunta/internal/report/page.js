"use strict";
(function () {
	var body = document.body;
	function fail(e) { body.setAttribute("data-error", String(e && e.message || e)); }
	window.addEventListener("error", function (e) { fail(e.message); });
	document.addEventListener("securitypolicyviolation", function (e) { fail("policy: " + e.violatedDirective); });
	function save(name, type, text) {
		var a = document.createElement("a");
		a.href = URL.createObjectURL(new Blob([text], { type: type }));
		a.download = name;
		a.click();
		setTimeout(function () { URL.revokeObjectURL(a.href); }, 1000);
	}
	function quote(v) {
		v = v === undefined || v === null ? "" : String(v);
		return /[",\r\n]/.test(v) ? '"' + v.replace(/"/g, '""') + '"' : v;
	}
	try {
		var text = document.getElementById("data").textContent;
		var data = JSON.parse(text);
		// What is drawn must be what was measured: a mark for each run that counts, and one for each point of a curve.
		var shown = data.arms.filter(function (a) { return !a.same; }).map(function (a) { return a.key; });
		var checked = 0;
		data.workloads.forEach(function (w, i) {
			var runs = w.runs.filter(function (r) {
				return !r.error && shown.indexOf(r.arm) >= 0 && r.metrics && ("throughput" in r.metrics || "seconds" in r.metrics);
			}).length;
			var dots = document.querySelectorAll("#w" + i + "-runs .dot").length;
			if (dots !== runs) throw new Error(w.name + ": " + dots + " marks for " + runs + " runs");
			var points = (w.curves || []).reduce(function (n, s) { return n + s.points.length; }, 0);
			var drawn = w.curve ? document.querySelectorAll("#w" + i + "-" + w.curve.kind + " .point").length : 0;
			if (drawn !== points) throw new Error(w.name + ": " + drawn + " marks for " + points + " points");
			checked += dots + drawn;
		});
		body.setAttribute("data-marks", checked);
		document.getElementById("save-json").addEventListener("click", function () { save("compare.json", "application/json", text); });
		document.getElementById("save-csv").addEventListener("click", function () {
			var keys = {};
			data.workloads.forEach(function (w) { w.runs.forEach(function (r) { Object.keys(r.metrics || {}).forEach(function (k) { keys[k] = 1; }); }); });
			keys = Object.keys(keys).sort();
			var lines = [["workload", "arm", "order"].concat(keys, "load", "error").join(",")];
			data.workloads.forEach(function (w) {
				w.runs.forEach(function (r) {
					lines.push([w.name, r.arm, r.order].concat(keys.map(function (k) { return (r.metrics || {})[k]; }), r.load, r.error).map(quote).join(","));
				});
			});
			save("compare.csv", "text/csv", lines.join("\n") + "\n");
		});
		body.setAttribute("data-ready", "1");
	} catch (e) {
		fail(e);
	}
})();
