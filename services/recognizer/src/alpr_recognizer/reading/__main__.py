from alpr_recognizer.reading.desk import main

raise SystemExit(main())
